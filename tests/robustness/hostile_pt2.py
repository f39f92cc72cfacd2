"""`.pt2` files that run code, take all memory or never end where PyTorch alone reads them."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

Edit = Callable[[str, bytes], bytes]
_PROGRAM, _WEIGHTS, _CONSTANTS = (
    "models/model.json",
    "model_weights_config.json",
    "model_constants_config.json",
)


class Run:
    """Unpickled, it creates the file `canary`."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.canary}",)


def make_all(source: Path, folder: Path, canary: Path) -> list[Path]:
    """One file in `folder` for each attack, made from the sound `.pt2` at `source`."""
    code = f"__import__('os').system('touch {canary}')"
    pickled = pickle.dumps(Run(canary))
    saved, legacy = io.BytesIO(), io.BytesIO()
    torch.save(Run(canary), saved)
    torch.save(Run(canary), legacy, _use_new_zipfile_serialization=False)
    examples, weight = "data/sample_inputs/model.pt", "data/weights/weight_0"
    adds: dict[str, Mapping[str, bytes]] = {
        "legacy-weights": {"data/weights/model.pt": saved.getvalue()},
        "legacy-constants": {"data/constants/model.pt": saved.getvalue()},
        "compiled": {"data/aotinductor/model/model.so": b"\x7fELF"},
        "traversal": {"../../outside": b"x"},
    }
    objects = {
        f"{kind}-object": {f"data/constants/{kind}_obj_0": pickled}
        for kind in ("opaque", "custom")
    }
    edits: dict[str, Edit] = {
        "examples": _content(examples, saved.getvalue()),
        "examples-legacy": _content(examples, legacy.getvalue()),
        "weight": _both(_content(weight, saved.getvalue()), _weight(use_pickle=True)),
        "huge": _weight(**_shape(10**9, 10**9)),
        "huge-empty": _both(_content(weight, b""), _weight(**_shape(10**9, 10**9))),
        "deep": _content(_PROGRAM, b"[" * 100_000 + b"]" * 100_000),
        "node-name": _renamed("conv2d", f"x = {code}\n    conv2d"),
        "input-name": _renamed("input", f"x={code}"),
        "parameter-name": _renamed("0.weight", f'a"+str({code})+"'),
        **{
            f"expression-{number}": _json(_PROGRAM, _expression(text))
            for number, text in enumerate(
                (
                    code,
                    f"Symbol('s0', positive={code})",
                    f"Max({code}, 1)",
                    "(lambda: ().__class__)()",
                    "9**9**9**9",
                    "Pow(Integer(9), Pow(Integer(9), Integer(9)))",
                )
            )
        },
        **{
            f"operator-{name.rpartition('.')[2]}": _json(_PROGRAM, _target(name))
            for name in (
                "torch.os.system",
                "_operator.methodcaller",
                "torch.ops.aten.from_file.default",
            )
        },
        "argument-names": _json(
            _PROGRAM, _signature("forward_arg_names", [f"x={code}"])
        ),
        "enumeration": _json(_PROGRAM, _signature("out_spec", _enumeration())),
    }
    made = [_write(source, folder / f"{n}.pt2", _same, a) for n, a in adds.items()]
    for name, added in objects.items():
        kept = _json(_CONSTANTS, _planted(f"{name.partition('-')[0]}_obj_0"))
        made.append(_write(source, folder / f"{name}.pt2", kept, added))
    made += [_write(source, folder / f"{n}.pt2", e, {}) for n, e in edits.items()]
    return [*made, _twice(source, folder / "twice.pt2")]


def pickles(canary: Path) -> list[bytes]:
    """Weights that run code when they are unpickled: a plain pickle, and PyTorch's two forms."""
    saved, legacy = io.BytesIO(), io.BytesIO()
    torch.save({"0.weight": Run(canary)}, saved)
    torch.save({"w": Run(canary)}, legacy, _use_new_zipfile_serialization=False)
    return [pickle.dumps(Run(canary)), saved.getvalue(), legacy.getvalue()]


def with_guards(source: Path, path: Path, canary: Path) -> Path:
    """A file whose guards are code; they are left out, and the rest is sound."""
    code = f"__import__('os').system('touch {canary}')"
    edit = _json(_PROGRAM, lambda model: model.update(guards_code=[code]))
    return _write(source, path, edit, {})


def _write(source: Path, path: Path, edit: Edit, added: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        root = old.namelist()[0].partition("/")[0]
        for name in old.namelist():
            new.writestr(name, edit(name, old.read(name)))
        for name, content in added.items():
            new.writestr(f"{root}/{name}", content)
    return path


def _twice(source: Path, path: Path) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in (*old.namelist(), old.namelist()[0]):
            new.writestr(name, old.read(name))
    return path


def _same(name: str, content: bytes) -> bytes:
    return content


def _both(first: Edit, second: Edit) -> Edit:
    return lambda name, content: second(name, first(name, content))


def _content(place: str, given: bytes) -> Edit:
    return lambda name, content: given if name.endswith(place) else content


def _json(place: str, change: Callable[[Any], object]) -> Edit:
    def edit(name: str, content: bytes) -> bytes:
        if not name.endswith(place):
            return content
        document = json.loads(content)
        change(document)
        return json.dumps(document).encode()

    return edit


def _renamed(old: str, new: str) -> Edit:
    given, expected = json.dumps(old).encode(), json.dumps(new).encode()
    return lambda name, content: (
        content.replace(given, expected) if name.endswith(".json") else content
    )


def _weight(use_pickle: bool = False, **meta: Any) -> Edit:
    def change(document: Any) -> None:
        entry = document["config"]["0.weight"]
        entry["use_pickle"] = use_pickle
        entry["tensor_meta"].update(meta)

    return _json(_WEIGHTS, change)


def _shape(*sizes: int) -> dict[str, Any]:
    return {
        "sizes": [{"as_int": size} for size in sizes],
        "strides": [{"as_int": 1} for _ in sizes],
    }


def _planted(place: str) -> Callable[[Any], object]:
    entry = {"path_name": place, "is_param": False, "use_pickle": True}
    return lambda document: document["config"].update(
        planted={**entry, "tensor_meta": None}
    )


def _expression(text: str) -> Callable[[Any], object]:
    def change(value: Any) -> None:
        if isinstance(value, dict):
            if "expr_str" in value:
                value["expr_str"] = text
            for inner in value.values():
                change(inner)
        elif isinstance(value, list):
            for inner in value:
                change(inner)

    return change


def _target(name: str) -> Callable[[Any], object]:
    return lambda model: model["graph_module"]["graph"]["nodes"][0].update(target=name)


def _signature(key: str, value: Any) -> Callable[[Any], object]:
    return lambda model: model["graph_module"]["module_call_graph"][0][
        "signature"
    ].update({key: value})


def _enumeration() -> str:
    """A tree that makes PyTorch import the module it names."""
    context = json.dumps({"__enum__": True, "fqn": "antigravity:x", "name": "y"})
    tree = {"type": "builtins.tuple", "context": context, "children_spec": []}
    return json.dumps([1, tree])
