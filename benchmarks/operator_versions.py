"""Versions of operators that a TFLite runtime reads, by the runtime itself.

For each operator and version, a file with that one operator is opened; a runtime that lacks it
names it in its error, and any other error means that it has it. Run it with the Python of the
runtime's own environment, which needs numpy, flatbuffers and nothing of EdgeKit:

    python -m venv old && old/bin/pip install 'numpy<2' tflite-runtime==2.14.0 flatbuffers
    old/bin/python benchmarks/operator_versions.py \
        edgekit/runtimes/tflite_runtime/operators-2.14.0.json
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import flatbuffers
from tflite_runtime.interpreter import Interpreter

PACKAGE = "tflite-runtime"
OPERATORS = 256
"""Codes are tried up to this one; the schema has some two hundred."""
VERSIONS = 24
_LACKS = ("Didn't find op for builtin opcode", "builtin_code out of range")
_CUSTOM = 32
_DELEGATE = 51
"""Codes that are not operators of their own."""


def main(out: Path) -> None:
    read = {}
    for code in range(OPERATORS):
        if code in (_CUSTOM, _DELEGATE):
            continue
        known = [v for v in range(1, VERSIONS + 1) if reads(code, v)]
        if known:
            read[str(code)] = known
    table = {
        "runtime": PACKAGE,
        "version": importlib.metadata.version(PACKAGE),
        "operators": read,
    }
    lines = ",\n".join(f'    "{code}": {json.dumps(v)}' for code, v in read.items())
    head = json.dumps({**table, "operators": 0}, indent=2)
    out.write_text(head.replace(": 0\n", f": {{\n{lines}\n  }}\n") + "\n", "utf-8")
    print(f"{out}: {len(read)} operators")


def reads(code: int, version: int) -> bool:
    """Return whether the runtime has the operator of this code in this version."""
    try:
        Interpreter(model_content=one_operator(code, version))
    except ValueError as error:
        return not any(words in str(error) for words in _LACKS)
    return True


def one_operator(code: int, version: int) -> bytes:
    """A model of one operator without inputs, outputs or options, field by field."""
    builder = flatbuffers.Builder(256)
    operator_code = _table(
        builder,
        4,
        [("Int8", 0, min(code, 127)), ("Int32", 2, version), ("Int32", 3, code)],
    )
    operator = _table(builder, 9, [("Uint32", 0, 0)])
    operators = _vector(builder, [operator])
    none = _vector(builder, [])
    graph = _table(builder, 5, [("Offset", n, none) for n in (0, 1, 2)], (3, operators))
    codes, graphs = _vector(builder, [operator_code]), _vector(builder, [graph])
    buffers = _vector(builder, [_table(builder, 1, [])])
    model = _table(
        builder,
        8,
        [("Uint32", 0, 3), ("Offset", 1, codes), ("Offset", 2, graphs)],
        (4, buffers),
    )
    builder.Finish(model, file_identifier=b"TFL3")
    return bytes(builder.Output())


def _table(
    builder: Any,
    fields: int,
    values: list[tuple[str, int, int]],
    *more: tuple[int, int],
) -> int:
    builder.StartObject(fields)
    for kind, slot, value in [*values, *(("Offset", s, v) for s, v in more)]:
        if kind == "Offset":
            builder.PrependUOffsetTRelativeSlot(slot, value, 0)
        else:
            getattr(builder, f"Prepend{kind}Slot")(slot, value, 0)
    return int(builder.EndObject())


def _vector(builder: Any, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
