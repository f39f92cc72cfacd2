"""A `.pt2` opened without running anything: its raw tensors and its JSON, and nothing else.

`torch.export.load` unpickles example inputs, custom objects and any weight whose configuration
requests it. Here the archive is filtered by a list of permitted entries, and PyTorch gets the
result as an archive that holds no pickle at all.
"""

from __future__ import annotations

import io
import json
import math
import pickletools
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from edgekit.errors import ModelError
from edgekit.program.pt2_graph import Suspicious, checked, path_name
from edgekit.safe_io import check_regular, checked_entries, parse_json, reading

FIX = "Write it with torch.export.save."
_FIXED = ("archive_format", "archive_version", "byteorder", ".data/version",
          ".data/serialization_id", ".format_version", ".storage_alignment",
          "version")  # fmt: skip
_PROGRAM = "models/model.json"
_EXAMPLES = "data/sample_inputs/model.pt"
_KINDS = ("weights", "constants")
_TENSOR = re.compile(r"data/(weights/weight|constants/tensor)_\d+")
_PAYLOADS = {
    "weights": re.compile(r"weight_\d+"),
    "constants": re.compile(r"tensor_\d+"),
}
_GLOBALS = frozenset(
    (
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_parameter",
        "torch FakeTensor",
        "collections OrderedDict",
        "torch.serialization _get_layout",
        "torch device",
        *(f"torch {kind}Storage" for kind in ("Float", "Double", "Half", "BFloat16",
          "Long", "Int", "Short", "Char", "Byte", "Bool", "ComplexFloat")),
    )
)  # fmt: skip
"""Callables in pickles of tensors, as `module name`."""
_EXPANDED = 1 << 28
"""Elements of a tensor that repeats its content."""


def load(path: Path, *, allow_pickle: bool = False) -> ExportedProgram:
    """The program in a `.pt2`; with `allow_pickle` PyTorch reads it, whatever it runs.

    Raises `ModelError` in one line where the file is damaged, or holds more than raw tensors and
    JSON.
    """
    check_regular(path, ModelError)
    with reading(path, ModelError, kind="a torch.export program", fix=FIX):
        if allow_pickle:
            return torch.export.load(str(path))
        try:
            members = _members(path)
            return torch.export.load(_rebuilt(members))
        except Suspicious as found:
            raise ModelError(
                f"{path} holds more than raw tensors and JSON: {found}. Opening it could run "
                "code. If you trust its author, pass --allow-pickle."
            ) from found


def _members(path: Path) -> dict[str, bytes]:
    """The archive's files by their names below its root, all of kinds that are known."""
    with zipfile.ZipFile(path) as archive:
        entries = checked_entries(archive)
        if not entries:
            raise ValueError("the archive is empty")
        root = entries[0].filename.partition("/")[0] + "/"
        members = {}
        for entry in entries:
            if not entry.filename.startswith(root):
                raise Suspicious(f"the file {entry.filename[:80]!r}")
            name = entry.filename.removeprefix(root)
            if name.startswith("extra/"):  # a user's own text, which nobody reads here
                continue
            if not _known(name):
                raise Suspicious(f"the file {entry.filename[:80]!r}")
            members[name] = archive.read(entry)
        return members


def _known(name: str) -> bool:
    return (
        name in (*_FIXED, _PROGRAM, _EXAMPLES)
        or name in map(_config, _KINDS)
        or bool(_TENSOR.fullmatch(name))
    )


def _config(kind: str) -> str:
    return f"data/{kind}/model_{kind}_config.json"


def _rebuilt(members: Mapping[str, bytes]) -> io.BytesIO:
    """An archive of the checked members. Example inputs are a pickle that nothing needs."""
    _check_examples(members.get(_EXAMPLES, b""))
    program = checked(parse_json(members[_PROGRAM]))
    clean = {name: members[name] for name in _FIXED if name in members}
    for kind in _KINDS:
        config = parse_json(members[_config(kind)])
        _check_config(config, kind, members)
        clean[_config(kind)] = json.dumps(config).encode()
    clean |= {name: data for name, data in members.items() if _TENSOR.fullmatch(name)}
    clean |= {_PROGRAM: json.dumps(program).encode(), _EXAMPLES: b""}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, data in clean.items():
            archive.writestr(f"model/{name}", data)
    stream.seek(0)
    return stream


def _check_config(config: Any, kind: str, members: Mapping[str, bytes]) -> None:
    """Each tensor is a raw file, as long as its shape takes."""
    for name, entry in config["config"].items():
        path_name(name)
        place = entry["path_name"]
        if entry["use_pickle"] is not False or not _PAYLOADS[kind].fullmatch(place):
            raise Suspicious(f"a pickle for {name[:60]!r}")
        data, about = members[f"data/{kind}/{place}"], entry["tensor_meta"]
        shape = [_whole(size) for size in about["sizes"]]
        strides = [_whole(stride) for stride in about["strides"]]
        item = _dtype(about["dtype"]).itemsize
        elements, held = math.prod(shape), len(data) // item
        last = _whole(about["storage_offset"]) + sum(
            (size - 1) * stride for size, stride in zip(shape, strides, strict=True)
        )
        if elements and (last >= held or elements > max(held, _EXPANDED)):
            raise ValueError(
                f"{name[:60]} of shape {shape} needs more than its {len(data):,} bytes"
            )


def _whole(given: Any) -> int:
    number = given["as_int"]
    if type(number) is not int or not 0 <= number < 1 << 62:
        raise ValueError(f"a size of {str(number)[:40]}")
    return number


def _dtype(number: Any) -> torch.dtype:
    from torch._export.serde.serialize import _SERIALIZE_TO_TORCH_DTYPE

    found: torch.dtype = _SERIALIZE_TO_TORCH_DTYPE[number]
    return found


def _check_examples(content: bytes) -> None:
    """Example inputs are never opened; ones that hold more than tensors give a file away."""
    if not content:
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        pickles = [n for n in archive.namelist() if n.endswith("data.pkl")]
        for name in pickles:
            _check_pickle(archive.read(name))


def _check_pickle(content: bytes) -> None:
    """Raise `Suspicious` for a pickle that calls anything but what tensors are made of."""
    strings: list[str] = []
    for code, value, _ in pickletools.genops(content):
        called = str(value) if code.name in ("GLOBAL", "INST") else None
        if code.name == "STACK_GLOBAL":
            called = " ".join(strings[-2:])
        if code.name in ("EXT1", "EXT2", "EXT4"):
            called = "an extension"
        if called is not None and called not in _GLOBALS:
            raise Suspicious(f"a pickle that calls {called[:80]!r}")
        if isinstance(value, str):
            strings.append(value)
