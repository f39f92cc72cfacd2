"""Sessions of LiteRT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.agent import runtimes
from edgekit.agent.errors import AgentError
from tests.runtime.conftest import write_tflite


def test_quantization_of_inputs_is_read(requantizing_model: Any) -> None:
    runtime, _ = runtimes.find("litert")
    session = runtimes.open_model(
        runtime, str(requantizing_model.path), 1, runtime.DEFAULTS
    )
    assert session.inputs[0].quantization == (0.5, 3)
    assert session.outputs[0].quantization == (0.25, -5)
    assert session.inputs[0].dtype == "int8"


@pytest.mark.parametrize("delegated", [True, False])
def test_the_delegate_is_a_setting(tmp_path: Path, delegated: bool) -> None:
    model = write_tflite(tmp_path / "model.tflite")
    runtime, _ = runtimes.find("litert")
    options = runtimes.settings(runtime, {"xnnpack": delegated})
    session = runtimes.open_model(runtime, str(model.path), 1, options)
    assert session.delegated() == delegated  # type: ignore[attr-defined]
    x = np.float32([[-1, 2, -3, 4]])
    session.prepare([x])
    session.invoke()
    np.testing.assert_array_equal(session.read()[0], model.reference(x))


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"not a model at all")
    runtime, _ = runtimes.find("litert")
    with pytest.raises(AgentError, match="refused") as error:
        runtimes.open_model(
            runtime, str(tmp_path / "model.tflite"), 1, runtime.DEFAULTS
        )
    assert error.value.kind == "model_unreadable"
