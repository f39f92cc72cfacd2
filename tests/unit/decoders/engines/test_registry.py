from __future__ import annotations

import pytest

from edgekit.decoders.engines import registry
from edgekit.errors import UsageError


def test_a_misspelt_runtime_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean 'openvino-genai'"):
        registry.engine("openvino-gena")


def test_every_engine_goes_by_its_name() -> None:
    assert {name: each.name for name, each in registry.ENGINES.items()} == {
        name: name for name in registry.ENGINES
    }
