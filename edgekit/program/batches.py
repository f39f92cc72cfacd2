"""One trace for every batch size: held against the network, or made from two fixed traces."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.parameter import is_lazy

from edgekit.errors import ModelError
from edgekit.program.tracing import export, graph_module, quiet

Example = tuple[Tensor, ...]
_SIZES = (1, 3)
"""Batch sizes at which a trace, made with two samples, is held against its network."""
_TRACED = (5, 7)
"""Sizes that the author's own numbers are unlikely to be."""
_TOLERANCE = 1e-3
"""Largest difference relative to the largest output; rounding stays below a tenth of it."""


def examples(
    shapes: Sequence[tuple[int, ...]], dtypes: Sequence[torch.dtype], batch: int = 2
) -> Example:
    """Seeded inputs, each (batch, *shape): normal numbers, or zeros where they are integers."""
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(batch, *shape, generator=generator).to(dtype)
        if dtype.is_floating_point or dtype.is_complex
        else torch.zeros(batch, *shape, dtype=dtype)
        for shape, dtype in zip(shapes, dtypes, strict=True)
    )


def compare(
    network: nn.Module, traced: nn.Module, example: Example, *, values: bool = True
) -> None:
    """Raise `ModelError` where the trace differs from its network at another batch size.

    Sizes that the network itself does not run at are left out. Without `values`, only the shapes
    of the outputs are compared.
    """
    for size in _SIZES:
        inputs = _resized(example, size)
        try:
            expected = _outputs(network, inputs)
        except Exception:  # noqa: BLE001 (the author's code raises anything)
            continue
        found = _found(traced, inputs, size)
        shapes = [[output.shape for output in given] for given in (found, expected)]
        if shapes[0] != shapes[1] or (values and not all(map(_close, found, expected))):
            raise ModelError(
                f"The trace differs from the network at batch size {size}: forward() decides by "
                "the batch size. Compute the same for every batch size."
            )


def _found(traced: nn.Module, inputs: Example, size: int) -> list[Tensor]:
    try:
        return _outputs(traced, inputs)
    except Exception as error:  # whatever its operators raise
        raise ModelError(
            f"The trace fails at batch size {size}, where the network itself runs: forward() "
            "holds one batch size. Take it from x.shape[0], without int()."
        ) from error


def _close(found: Tensor, expected: Tensor) -> bool:
    if not (expected.is_floating_point() or expected.is_complex()):
        return True  # an index may turn over by rounding
    scale = expected.abs()
    scale = (
        scale[scale.isfinite()].max() if scale.isfinite().any() else scale.new_ones(())
    )
    return torch.allclose(
        found,
        expected.to(found.dtype),
        rtol=_TOLERANCE,
        atol=float(scale) * _TOLERANCE,
        equal_nan=True,
    )


def _resized(example: Example, size: int) -> Example:
    shapes = [tuple(tensor.shape[1:]) for tensor in example]
    return examples(shapes, [tensor.dtype for tensor in example], size)


def _outputs(module: nn.Module, inputs: Example) -> list[Tensor]:
    """The tensors a module returns, its state and the random numbers left as they were."""
    with kept(module), torch.random.fork_rng(devices=()), quiet(), torch.no_grad():
        torch.manual_seed(0)
        result = module(*(tensor.clone() for tensor in inputs))
    return [
        leaf
        for leaf in torch.utils._pytree.tree_leaves(result)
        if isinstance(leaf, Tensor)
    ]


@contextmanager
def kept(module: nn.Module) -> Iterator[None]:
    """Put buffers back as they were afterwards."""
    known = ((n, b) for n, b in module.named_buffers() if not is_lazy(b))
    before = {name: buffer.clone() for name, buffer in known}
    yield
    with torch.no_grad():
        for name, buffer in module.named_buffers():
            if name in before and buffer.shape == before[name].shape:
                buffer.copy_(before[name])


def generalized(network: nn.Module, example: Example) -> fx.GraphModule:
    """A graph for any batch size from traces with two fixed ones.

    Numbers that grow with the batch become expressions of it. Raises `ModelError` where the two
    traces differ in more than such numbers.
    """
    graphs = []
    for size in _TRACED:
        exported = export(network, _resized(example, size), dynamic=False)
        graphs.append(graph_module(exported))
    first, second = graphs
    nodes = list(first.graph.nodes), list(second.graph.nodes)
    if [n.target for n in nodes[0]] != [n.target for n in nodes[1]]:
        raise ModelError("The network computes another graph for another batch size.")
    _Batch(first.graph).spread(*nodes)
    first.recompile()
    return first


class _Batch:
    """Puts the size of the batch in the place of numbers that follow it."""

    def __init__(self, graph: fx.Graph) -> None:
        self.graph = graph
        inputs = graph.find_nodes(op="placeholder")
        with graph.inserting_after(inputs[-1]):
            self.size = graph.call_function(torch.ops.aten.sym_size.int, (inputs[0], 0))

    def spread(self, nodes: list[fx.Node], others: list[fx.Node]) -> None:
        for node, other in zip(nodes, others, strict=True):
            with self.graph.inserting_before(node):
                node.args = self._merged(node.args, other.args)
                node.kwargs = self._merged(node.kwargs, other.kwargs)

    def _merged(self, one: Any, other: Any) -> Any:
        if isinstance(one, fx.Node) or one is other:
            return one
        if isinstance(one, list | tuple):
            return (
                type(one)(map(self._merged, one, other))
                if type(one) in (list, tuple)
                else [*map(self._merged, one, other)]
            )
        if isinstance(one, dict):
            return {
                name: self._merged(value, other[name]) for name, value in one.items()
            }
        if type(one) is int and type(other) is int and one != other:
            return self._number(one, other)
        if one != other:
            raise ModelError(
                f"The network computes {one} and {other} from the batch size."
            )
        return one

    def _number(self, one: int, other: int) -> fx.Node:
        """`one` and `other` as a line through the two batch sizes."""
        factor, rest = divmod(other - one, _TRACED[1] - _TRACED[0])
        if rest:
            raise ModelError(
                f"The network computes {one} and {other} from the batch size."
            )
        made = self.size
        if factor != 1:
            made = self.graph.call_function(operator.mul, (made, factor))
        if offset := one - factor * _TRACED[0]:
            made = self.graph.call_function(operator.add, (made, offset))
        return made
