"""Operators of a TFLite file that cannot be read are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import ModelError
from edgekit.runtimes.litert import flatbuffer
from edgekit.sources.tflite import load, walk
from tests.runtime.sources.tflite.models import DATA


def _edited(tmp_path: Path, kind: str) -> Path:
    whole = flatbuffer.unpacked((DATA / "net-fp32.tflite").read_bytes())
    code = whole.operatorCodes[whole.subgraphs[0].operators[0].opcodeIndex]
    number = getattr(flatbuffer.schema().BuiltinOperator, kind)
    code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
    code.customCode = b"Mine" if kind == "CUSTOM" else None
    path = tmp_path / "edited.tflite"
    path.write_bytes(flatbuffer.packed(whole, 1 << 16))
    return path


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("CUSTOM", "custom operator 'Mine'"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", "keeps a state"),
        ("HASHTABLE", "HASHTABLE, which is not supported"),
    ],
)
def test_operators_that_cannot_be_read_are_named(
    tmp_path: Path, kind: str, said: str
) -> None:
    with pytest.raises(ModelError, match=said) as error:
        load.load(_edited(tmp_path, kind))
    assert "\n" not in str(error.value)


def test_the_usual_operators_are_known() -> None:
    assert len(walk.kinds()) > 90
