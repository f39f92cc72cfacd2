"""A model is opened and run once."""

from __future__ import annotations

import pytest

from edgekit.agent.errors import AgentError
from edgekit.agent.schema import SCHEMA
from edgekit.agent.verify import verify


def test_a_file_that_is_not_a_model_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "model.onnx"
    file.write_bytes(b"not a model")
    job = {
        "schema": SCHEMA,
        "kind": "verify",
        "runtime": "onnxruntime",
        "path": str(file),
    }
    with pytest.raises(AgentError) as error:
        verify(job)  # type: ignore[arg-type]
    assert error.value.kind == "model_unreadable"


def test_an_unknown_runtime_is_refused() -> None:
    job = {"schema": SCHEMA, "kind": "verify", "runtime": "none", "path": "model.onnx"}
    with pytest.raises(AgentError, match="none"):
        verify(job)  # type: ignore[arg-type]
