"""Shapes of a cut graph: promised by the width graph, checked by running it on meta tensors.

The promise keeps the batch symbolic, so the result can be analyzed and cut again without a new
export. The check runs every operator at batch 2 without data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import fx

from edgekit.errors import ModelError
from edgekit.graph.propagate import size_at_one
from edgekit.program.program import Program

BATCH = 2


def resized(
    value: torch.Tensor, old: Sequence[int], new: Sequence[int]
) -> torch.Tensor:
    """A fake tensor like `value` whose sizes went from `old` to `new`, both at batch 1."""
    if tuple(old) == tuple(new):
        return value
    mode: Any = value.fake_mode  # type: ignore[attr-defined]
    with mode, mode.shape_env.suppress_guards(), torch.no_grad():
        sizes = [
            size if before == after else size * after // before
            for size, before, after in zip(value.shape, old, new, strict=True)
        ]
        return torch.empty(sizes, dtype=value.dtype, device=value.device)


def check(program: Program) -> None:
    """Run the graph on meta tensors; every promised shape and dtype must come true."""
    inputs = [tensor.to("meta") for tensor in program.example(BATCH)]
    with torch.no_grad():
        _MetaRun(program.module).run(*inputs, enable_io_processing=False)


class _MetaRun(fx.Interpreter):
    def run_node(self, n: fx.Node) -> Any:
        try:
            value = super().run_node(n)
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelError(defect(n, f"fails ({reason})")) from error
        if isinstance(value, torch.Tensor) and n.op != "output":
            value = value.to("meta")
            promised = n.meta["val"]
            expected = tuple(at_batch(size) for size in promised.shape)
            if tuple(value.shape) != expected or value.dtype != promised.dtype:
                found = f"{tuple(value.shape)} {value.dtype}"
                raise ModelError(
                    defect(n, f"gives {found}, not {expected} {promised.dtype}")
                )
        return value

    def call_function(
        self, target: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        meta = torch.device("meta")
        if isinstance(target, torch._ops.OpOverload):
            names = [argument.name for argument in target._schema.arguments]
            if "device" in names[len(args) :]:
                kwargs = {**kwargs, "device": meta}
            args = tuple(meta if isinstance(a, torch.device) else a for a in args)
        return super().call_function(target, args, dict(kwargs))


def at_one(value: torch.Tensor) -> tuple[int, ...]:
    """The shape of a tensor at batch size one."""
    return tuple(size_at_one(size) for size in value.shape)


def at_batch(size: int | torch.SymInt) -> int:
    """A size at the batch size of the trace."""
    if isinstance(size, int):
        return size
    expression = size.node.expr
    return int(expression.subs(dict.fromkeys(expression.free_symbols, BATCH)))


def defect(node: fx.Node, what: str) -> str:
    """The line for a cut that went wrong at `node`, with the layer where that is known."""
    layers = list(node.meta.get("nn_module_stack", {}).values())
    layer = f" of {layers[-1][0]}" if layers and layers[-1][0] else ""
    return (
        f"After the cut, {node.name}{layer} {what}. This is a defect of EdgeKit's rule for "
        "an operator at or before it; please report the network."
    )
