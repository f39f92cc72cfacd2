"""Constants of a file as named parameters and buffers of a module."""

from __future__ import annotations

import re
from operator import attrgetter

import numpy as np
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

from edgekit.sources.onnx.graph import Node
from edgekit.sources.onnx.values import Known, tensor_of

_UNNAMED = re.compile(
    r"^(onnx::|val_|_v_|ortshared|/?\d+$)|(^|[/_.:])(const(ant)?(_|$|/)|const_fold)",
    re.IGNORECASE,
)
"""Names that converters make up."""
_LARGE = 1e4
"""Numbers beyond it belong to masks, which are not trained."""
_STATISTICS = ("running_mean", "running_var")

_Key = tuple[object, ...]


class Constants:
    """Turns arrays into parameters and buffers of `module` when an operator asks for tensors.

    What no operator asks for is never registered: weights of branches that are not taken and
    numbers that shape arithmetic alone reads leave nothing behind.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._names: dict[int, str] = {}
        self._unnamed: set[int] = set()
        self._paths: dict[_Key, str] = {}
        self._held: list[Known] = []
        self.sealed = False
        """True where the module may get no further ones."""

    def name(self, array: Known, name: str, *, unnamed: bool) -> None:
        """Remember what the file calls an array, which must stay the same object."""
        self._names[id(array)] = name
        self._held.append(array)
        if unnamed or _UNNAMED.search(name):
            self._unnamed.add(id(array))

    def tensor(self, array: Known, role: str, node: Node) -> Tensor:
        """The parameter or buffer that holds `array`."""
        key = self._key(array, role, node)
        if key not in self._paths:
            tied = self._tied(array)
            if tied is not None:
                return tied
            if self.sealed:
                return tensor_of(array)
            self._paths[key] = self._register(array, role, node)
        tensor: Tensor = attrgetter(self._paths[key])(self._module)
        return tensor

    def _source(self, array: Known) -> Known:
        base = array.base
        return (
            base if isinstance(base, np.ndarray) and id(base) in self._names else array
        )

    def _key(self, array: Known, role: str, node: Node) -> _Key:
        """The same for the same constant, and for the same weight of a layer."""
        source = self._source(array)
        if id(source) in self._names:
            place = array.__array_interface__["data"][0]
            return id(source), place, array.shape, array.strides
        owner = node.outputs[0] if role else ""
        return owner, role, array.dtype.str, array.shape, array.tobytes()

    def _tied(self, array: Known) -> Tensor | None:
        """A transposed view of the parameter that the array is the transpose of."""
        source = self._source(array)
        if source is array or source.T.strides != array.strides:
            return None
        place = source.__array_interface__["data"][0]
        path = self._paths.get((id(source), place, source.shape, source.strides))
        if path is None or array.shape != source.T.shape or array.ndim != 2:
            return None
        tensor: Tensor = attrgetter(path)(self._module)
        return tensor.t()

    def _register(self, array: Known, role: str, node: Node) -> str:
        source = self._source(array)
        path = self._free(self._path(source, role, node))
        owner, _, leaf = path.rpartition(".")
        with _disable_current_modes():
            tensor = tensor_of(np.ascontiguousarray(array).reshape(array.shape))
            into = _submodule(self._module, owner)
            if self._trains(source, tensor, role):
                into.register_parameter(leaf, nn.Parameter(tensor))
            else:
                into.register_buffer(leaf, tensor)
        return path

    def _trains(self, source: Known, tensor: Tensor, role: str) -> bool:
        if not tensor.is_floating_point() or role in _STATISTICS:
            return False
        if role:
            return True
        named = id(source) in self._names and id(source) not in self._unnamed
        return named and tensor.numel() > 1 and float(tensor.abs().max()) < _LARGE

    def _path(self, source: Known, role: str, node: Node) -> str:
        name = self._names.get(id(source), "")
        if name and id(source) not in self._unnamed:
            return dotted(name)
        place = dotted(node.name or next(iter(filter(None, node.outputs)), node.kind))
        owner, _, last = place.rpartition(".")
        if owner and last.split("_")[0] == node.kind:
            place = owner
        return f"{place}.{role or 'constant'}"

    def _free(self, path: str) -> str:
        taken = set(self._paths.values())
        owners = {p[: m.start()] for p in taken for m in re.finditer(r"\.", p)}
        requested, number = path, 1
        while requested in taken or requested in owners or _below(requested, taken):
            number += 1
            requested = f"{path}_{number}"
        return requested


def dotted(name: str) -> str:
    """A file's name as a path of attributes."""
    name = re.sub(r":\d+$", "", name).replace("::", "__").strip("/.")
    parts = (re.sub(r"\W", "_", part) for part in re.split(r"[/.]", name))
    path = ".".join(part for part in parts if part) or "constant"
    taken = set(dir(nn.Module()))
    return ".".join(f"{p}_" if p in taken else p for p in path.split("."))


def _below(path: str, taken: set[str]) -> bool:
    """Return whether some part of the way to `path` is a tensor already."""
    parts = path.split(".")
    return any(".".join(parts[:n]) in taken for n in range(1, len(parts)))


def _submodule(module: nn.Module, path: str) -> nn.Module:
    for part in filter(None, path.split(".")):
        if part not in module._modules:
            module.add_module(part, nn.Module())
        module = module._modules[part]  # type: ignore[assignment]
    return module
