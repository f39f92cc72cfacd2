"""A second device for every machine: tensors that name it as theirs, over those of the CPU.

An operator of tensors of both devices is an error, as on a GPU; those without dimensions go with
any. Its name is PyTorch's `meta`, of which autograd needs no driver.
"""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = torch.device("meta")
_MOVES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class Elsewhere(Tensor):
    """A tensor of the second device over one of the CPU."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Elsewhere:
        made: Elsewhere = Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=DEVICE,
        )
        made.inner = inner
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _run(func, args, kwargs or {})


class SecondDevice(TorchDispatchMode):
    """Within it there is the second device; `seen` counts the operators that ran there."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self._literals = _Literals()

    def __enter__(self) -> Self:
        self._literals.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._literals.__exit__(*error)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        found = _run(func, args, kwargs or {})
        self.seen += isinstance(found, Elsewhere)
        return found


class _Literals(TorchFunctionMode):
    """`torch.tensor(values, device=...)`, which dispatches nothing, as a move by an operator."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        given = dict(kwargs or {})
        device = given.pop("device", None) if func is torch.tensor else None
        made = func(*args, **given)
        return made if device is None else made.to(device)


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [x for x in pytree.tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    there = [x for x in tensors if isinstance(x, Elsewhere)]
    others = [x for x in tensors if not isinstance(x, Elsewhere) and x.ndim]
    if there and others and func not in _MOVES:
        raise AssertionError(f"{func} takes tensors of two devices")
    device = kwargs.get("device")
    over = bool(there) if device is None else device == DEVICE
    if device is not None:
        kwargs = kwargs | {"device": torch.device("cpu")}
    given = pytree.tree_map(lambda x: x.inner if isinstance(x, Elsewhere) else x, args)
    named = pytree.tree_map(
        lambda x: x.inner if isinstance(x, Elsewhere) else x, kwargs
    )
    found = func(*given, **named)
    if func._schema.name.endswith("_") and isinstance(args[0], Tensor):
        return args[0]
    if not over:
        return found
    return pytree.tree_map(
        lambda x: Elsewhere(x) if isinstance(x, Tensor) else x, found
    )
