"""The device that networks are looked at on, and networks on it: CUDA or MPS where there is one.

Training has its device from Accelerate, which decides by the same test.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

CPU = torch.device("cpu")
_FRACTION = 2
"""Kept values take at most one part in so many of an accelerator's free memory."""


def best_device() -> torch.device:
    """The accelerator of this process, else the CPU."""
    found = torch.accelerator.current_accelerator()
    if found is None or not torch.accelerator.is_available():
        return CPU
    return torch.device(found.type, torch.accelerator.current_device_index())


def room(most: int, device: torch.device) -> int:
    """Bytes that may be kept on `device`: `most`, or half of what is free on an accelerator where
    that is less."""
    accelerator = torch.accelerator.current_accelerator()
    if accelerator is None or accelerator.type != device.type:
        return most
    free, _ = torch.accelerator.get_memory_info(device)
    return min(most, free // _FRACTION)


def place(module: fx.GraphModule, device: torch.device) -> fx.GraphModule:
    """The module with its tensors on `device`, and what its graph makes made there."""
    _Moved.to(module, device)
    return module


def to_device(module: nn.Module, device: torch.device) -> nn.Module:
    """A module around graphs on `device`. Modules elsewhere that share the graphs' tensors keep
    them where they are."""
    for part in module.modules():
        if isinstance(part, fx.GraphModule):
            place(part, device)
    return module.to(device)


@contextmanager
def placed(module: fx.GraphModule, device: torch.device) -> Iterator[None]:
    """Have a module on `device` for a while; afterwards it has the same tensors as before."""
    moved = _Moved.to(module, device)
    try:
        yield
    finally:
        moved.back()


@dataclass(frozen=True, kw_only=True)
class OnDevice(Sequence[tuple[Tensor, ...]]):
    """Batches of inputs, each on `device` whenever it is asked for."""

    batches: Sequence[tuple[Tensor, ...]]
    device: torch.device

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: Any) -> Any:
        return tuple(each.to(self.device) for each in self.batches[index])


@dataclass(frozen=True, kw_only=True)
class _Moved:
    """A module that was moved, and its tensors and operators from before."""

    module: fx.GraphModule
    tensors: list[tuple[MutableMapping[str, Any], str, Tensor]]
    makers: list[tuple[fx.Node, Any, Any]]

    @classmethod
    def to(cls, module: fx.GraphModule, device: torch.device) -> _Moved:
        """Move tensors that are elsewhere; those under several names stay one."""
        held: list[tuple[MutableMapping[str, Any], str, Tensor]] = [
            (store, name, value)
            for owner in module.modules()
            for store in _stores(owner)
            for name, value in store.items()
            if isinstance(value, Tensor) and value.device != device
        ]
        there = dict[int, Tensor]()
        for store, name, value in held:
            if id(value) not in there:
                there[id(value)] = _copy(value, device)
            store[name] = there[id(value)]
        makers = [
            (node, node.args, node.kwargs)
            for node in module.graph.nodes
            if any(one != device for one in _devices(node))
        ]
        for node, args, kwargs in makers:
            node.args, node.kwargs = _replaced(args, device), _replaced(kwargs, device)
        if makers:
            module.recompile()
        return cls(module=module, tensors=held, makers=makers)

    def back(self) -> None:
        """Undo it."""
        for store, name, value in self.tensors:
            store[name] = value
        for node, args, kwargs in self.makers:
            node.args, node.kwargs = args, kwargs
        if self.makers:
            self.module.recompile()


def _stores(owner: nn.Module) -> tuple[MutableMapping[str, Any], ...]:
    """Where a module holds its own tensors."""
    return owner._parameters, owner._buffers, vars(owner)


def _copy(value: Tensor, device: torch.device) -> Tensor:
    moved = value.detach().to(device)
    if not isinstance(value, nn.Parameter):
        return moved
    return nn.Parameter(moved, requires_grad=value.requires_grad)


def _devices(node: fx.Node) -> list[torch.device]:
    """The devices that an operator's arguments name."""
    found: list[torch.device] = []
    given: Any = [*node.args, *node.kwargs.values()]
    while given:
        one = given.pop()
        if isinstance(one, list | tuple):
            given += one
        elif isinstance(one, torch.device):
            found.append(one)
    return found


def _replaced(arguments: Any, device: torch.device) -> Any:
    return fx.node.map_aggregate(
        arguments, lambda one: device if isinstance(one, torch.device) else one
    )
