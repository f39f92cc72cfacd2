"""Names that files of the user's may hold."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from edgekit.types.names import RuntimeName

NAME = TypeAdapter(RuntimeName)


def test_runtimes_are_checked_against_those_in_the_context() -> None:
    known = {"runtimes": ("litert", "openvino")}
    assert NAME.validate_python("litert", context=known) == "litert"
    with pytest.raises(ValidationError, match="should be one of 'litert', 'openvino'"):
        NAME.validate_python("tensorrt", context=known)


def test_without_a_context_any_name_is_one() -> None:
    assert NAME.validate_python("tensorrt") == "tensorrt"
