"""The metadata that TFLite's own tools read (schema version 1.0.1, identifier M001).

Written field by field: the package that brings its classes exists for no current Python. Slots
are the fields of the published schema, in its order.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np

from edgekit.runtimes.contract import KEY, Contract
from edgekit.runtimes.litert import flatbuffer

NAME = "TFLITE_METADATA"
LABELS = "labels.txt"
_IDENTIFIER = b"M001"
_PARSER = "1.0.0"
_AXIS_LABELS = 2
_IMAGE = 2
"""`ImageProperties` in the union of contents."""
_NORMALIZATION = 1
"""`NormalizationOptions` in the union of process units."""
_COLORS = {"rgb": 1, "gray": 2}


def embed(path: Path, out: Path, contract: Contract, text: str) -> None:
    """Write the file at `path` to `out` with `text` in it, and what TFLite's own tools read."""
    content = path.read_bytes()
    described = describe(contract)
    entries = {NAME: described, KEY: text.encode()}
    out.write_bytes(with_entries(content, entries))
    append_labels(out, contract.get("labels") or ())


def extract(path: Path) -> str | None:
    """The text in the file; `None` where it holds none."""
    content = path.read_bytes()
    if content[4:8] != b"TFL3":
        raise ValueError("it is not a TFLite model")
    found = entry(content, KEY)
    return None if found is None else found.decode()


def with_entries(model: bytes, entries: Mapping[str, bytes]) -> bytes:
    """The model with these metadata entries, in place of its own of the same name.

    What follows the model in the file (associated files) is left out.
    """
    schema, whole = flatbuffer.schema(), flatbuffer.unpacked(model)
    whole.metadata = whole.metadata or []
    known = {_text(one.name): one for one in whole.metadata}
    for name, content in entries.items():
        if name not in known:
            known[name] = schema.MetadataT()
            known[name].name, known[name].buffer = name, len(whole.buffers)
            whole.metadata.append(known[name])
            whole.buffers.append(schema.BufferT())
        whole.buffers[known[name].buffer].data = np.frombuffer(content, np.uint8)
    return flatbuffer.packed(whole, len(model))


def entry(model: bytes, name: str) -> bytes | None:
    """The content of a metadata entry; `None` where there is none."""
    root = flatbuffer.root(model)
    for number in range(root.MetadataLength()):
        one = root.Metadata(number)
        if _text(one.Name()) == name:
            data = root.Buffers(one.Buffer()).DataAsNumpy()
            return None if isinstance(data, int) else bytes(data)
    return None


def append_labels(path: Path, labels: Sequence[str]) -> None:
    """Put the names of classes behind the model, as an associated file in a zip archive."""
    if labels:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(zipfile.ZipInfo(LABELS), "\n".join(labels) + "\n")


def describe(contract: Mapping[str, Any]) -> bytes:
    """A `ModelMetadata` of the inputs, preprocessing and labels in `contract`."""
    builder = flatbuffers.Builder(1024)
    inputs = [_input(builder, one, contract) for one in contract["inputs"]]
    outputs = [
        _output(builder, one, bool(contract.get("labels")))
        for one in contract["outputs"]
    ]
    graph = _table(
        builder,
        9,
        {2: _vector(builder, inputs), 3: _vector(builder, outputs)},
    )
    root = _table(
        builder,
        8,
        {
            0: builder.CreateString(str(contract.get("name") or "model")),
            1: builder.CreateString(f"EdgeKit {contract.get('edgekit', '')}".strip()),
            2: builder.CreateString(str(contract.get("source_sha256") or "")),
            3: _vector(builder, [graph]),
            7: builder.CreateString(_PARSER),
        },
    )
    builder.Finish(root, file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def _input(builder: Any, spec: Mapping[str, Any], contract: Mapping[str, Any]) -> int:
    alone = contract.get("preprocessing") if len(contract["inputs"]) == 1 else None
    how = spec.get("preprocessing") or alone
    fields = {0: builder.CreateString(spec["name"])}
    if how:
        scale = float(how["scale"])
        options = _table(
            builder,
            2,
            {
                0: _floats(builder, [scale * one for one in how["mean"]]),
                1: _floats(builder, [scale * one for one in how["std"]]),
            },
        )
        unit = _table(builder, 2, {1: options}, byte={0: _NORMALIZATION})
        fields[4] = _vector(builder, [unit])
        color = _color(how.get("color"), spec["shape"], spec.get("layout"))
        if color is not None:
            image = _table(builder, 2, {}, byte={0: color})
            fields[3] = _table(builder, 3, {1: image}, byte={0: _IMAGE})
    return _table(builder, 7, fields)


def _color(given: str | None, shape: Sequence[int], layout: str | None) -> int | None:
    """The schema's number of an image's colors; BGR has none and is not called RGB."""
    if layout not in ("NCHW", "NHWC"):
        return None
    channels = shape[1] if layout == "NCHW" else shape[3]
    return _COLORS.get(given or {1: "gray", 3: "rgb"}.get(channels, ""), 0)


def _output(builder: Any, spec: Mapping[str, Any], labeled: bool) -> int:
    fields = {0: builder.CreateString(spec["name"])}
    if labeled:
        name = builder.CreateString(LABELS)
        file = _table(builder, 5, {0: name}, byte={2: _AXIS_LABELS})
        fields[6] = _vector(builder, [file])
    return _table(builder, 7, fields)


# --- flatbuffers, field by field --------------------------------------------------------------


def _table(
    builder: Any,
    slots: int,
    offsets: Mapping[int, int],
    *,
    byte: Mapping[int, int] | None = None,
) -> int:
    builder.StartObject(slots)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, value in (byte or {}).items():
        builder.PrependInt8Slot(slot, value, 0)
    return int(builder.EndObject())


def _vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _floats(builder: Any, values: Sequence[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return int(builder.EndVector())


def _text(name: bytes | str | None) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name or ""
