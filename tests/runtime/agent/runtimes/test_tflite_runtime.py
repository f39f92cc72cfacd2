"""tflite-runtime takes the settings of LiteRT, and is named where it is not installed."""

from __future__ import annotations

import importlib.util

import pytest

from edgekit.agent import runtimes
from edgekit.agent.errors import AgentError
from edgekit.agent.runtimes import litert, tflite_runtime


def test_its_settings_are_litert_s() -> None:
    assert runtimes.settings(tflite_runtime, {}) == dict(litert.DEFAULTS)
    with pytest.raises(AgentError, match="tflite-runtime has no option 'x'"):
        runtimes.settings(tflite_runtime, {"x": 1})


@pytest.mark.skipif(
    importlib.util.find_spec("tflite_runtime") is not None, reason="it is installed"
)
def test_it_is_named_where_it_is_missing() -> None:
    with pytest.raises(AgentError, match="needs the package tflite-runtime") as error:
        runtimes.find("tflite-runtime")
    assert error.value.kind == "runtime_missing"
