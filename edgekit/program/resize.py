"""A network of images at another size of its input."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional as F

from edgekit.errors import ModelError
from edgekit.program import named_outputs
from edgekit.program.io_fusion import Around, is_image
from edgekit.program.layer_attribution import ITSELF
from edgekit.program.module_path import layer
from edgekit.program.program import Program, duplicate, from_exported, retrace
from edgekit.program.tracing import export, reason

Size = tuple[int, int]
"""Height and width of images."""
FRACTIONS = (7 / 8, 3 / 4, 5 / 8, 1 / 2)
"""Sides that are offered, of the network's own."""
_BATCH = 2
_AVERAGE = torch.ops.aten.avg_pool2d.default
_GLOBAL = torch.ops.aten.adaptive_avg_pool2d.default


def size_of(program: Program) -> Size:
    """Height and width of the only input; raises `ModelError` where that is not an image."""
    [*others, spec] = program.inputs
    if others or not is_image(spec) or not program.dtypes[0].is_floating_point:
        raise ModelError(
            "resolution is of networks with one image (channels, height, width) as their input. "
            'Set [recipe.prune] resolution = "fixed".'
        )
    return spec.shape[1], spec.shape[2]


def smaller_sizes(program: Program, sides: Sequence[int] | None = None) -> list[Size]:
    """Smaller sizes of the input, the largest first: of `sides` as heights, with the width in
    proportion; or fractions of the own side that the network's stride divides."""
    height, width = size_of(program)
    if sides is not None:
        found = {(side, max(1, round(side * width / height))) for side in sides}
    else:
        step = _stride(program)
        heights = [_nearest(fraction * height, step) for fraction in FRACTIONS]
        found = {(each, _nearest(each * width / height, step)) for each in heights}
    return sorted((s for s in found if s[0] < height and s[1] <= width), reverse=True)


def at_size(program: Program, size: Size) -> Program:
    """The same network for images of another size.

    A pool over a whole map stays one. Raises `ModelError` that names the layer which holds the
    size.
    """
    [spec] = program.inputs
    module = duplicate(program.module)
    _free_pools(module.graph)
    module.recompile()
    inputs = (replace(spec, shape=(spec.shape[0], *size)),)
    _check(program, module, inputs[0].shape)
    resized = replace(program, module=module, inputs=inputs)
    made = from_exported(export(module, resized.example(_BATCH), dynamic=True), inputs)
    return replace(resized, module=made.module, inputs=made.inputs, dtypes=made.dtypes)


def enlarging(program: Program, size: Size) -> Program:
    """The network for images of `size`, which it enlarges to its own first (bilinear)."""
    [spec] = program.inputs
    inputs = (replace(spec, shape=(spec.shape[0], *size)),)
    made = retrace(_Enlarging(program), inputs, program.dtypes)
    return replace(made, outputs=program.outputs, reads=program.reads)


class _Enlarging(Around):
    def __init__(self, program: Program) -> None:
        super().__init__(program.module)
        self.size = size_of(program)

    def forward(self, x: Tensor) -> Any:
        own = F.interpolate(x, size=self.size, mode="bilinear", align_corners=False)
        return self.network(own)


def _nearest(side: float, step: int) -> int:
    return max(step, round(side / step) * step)


def _stride(program: Program) -> int:
    """Pixels of the input for one of the smallest map; a power of 2."""
    height, _ = size_of(program)
    least = min((shape[2] for _, shape in _maps(program.module.graph)), default=height)
    return int(2 ** round(math.log2(height / least)))


def _maps(graph: fx.Graph) -> Iterator[tuple[fx.Node, Sequence[int]]]:
    """Operators whose output is maps (batch, channels, height, width) of several pixels."""
    for node in graph.nodes:
        value = node.meta.get("val")
        if node.op == "call_function" and isinstance(value, Tensor):
            shape = value.shape
            if len(shape) == 4 and isinstance(shape[2], int) and shape[2] > 1:
                yield node, shape


def _free_pools(graph: fx.Graph) -> None:
    """Let averages over whole maps be such at every size."""
    for node in list(graph.find_nodes(op="call_function", target=_AVERAGE)):
        value = node.args[0].meta.get("val")
        kernel, padding = node.args[1], node.args[3] if len(node.args) > 3 else [0, 0]
        if value is None or any(padding):
            continue
        if tuple(value.shape[2:]) == tuple(kernel):
            with graph.inserting_before(node):
                free = graph.call_function(_GLOBAL, (node.args[0], [1, 1]))
            free.meta = dict(node.meta)
            node.replace_all_uses_with(free)
            graph.erase_node(node)


def _check(program: Program, module: fx.GraphModule, shape: tuple[int, ...]) -> None:
    """Raise `ModelError` where a layer of the module does not take images of `shape`."""
    own, other = _Walk(program.module), _Walk(module, shape)
    with torch.no_grad():
        expected = named_outputs.tensors(own.run(*program.example(_BATCH)))
        found = named_outputs.tensors(other.run(torch.zeros(_BATCH, *shape)))
    if [one.shape for one in found] == [one.shape for one in expected]:
        return
    moved = [
        n for n, count in other.counts.items() if own.counts.get(n, count) != count
    ]
    place = layer(moved[0]) if moved else ""
    raise ModelError(
        _problem(
            place,
            shape,
            f"it gives {list(found[0].shape)}, not {list(expected[0].shape)}",
        )
    )


class _Walk(fx.Interpreter):
    """Runs a network, and names the layer that fails; `counts` has the rows of each operator."""

    def __init__(self, module: fx.GraphModule, shape: tuple[int, ...] = ()) -> None:
        super().__init__(module)
        self.extra_traceback = False  # an error is one line here
        self.shape = shape
        self.counts: dict[fx.Node, int] = {}

    def run_node(self, node: fx.Node) -> Any:
        try:
            found = super().run_node(node)
        except RuntimeError as error:
            raise ModelError(
                _problem(layer(node), self.shape, reason(error))
            ) from error
        if isinstance(found, Tensor) and found.ndim and node.op == "call_function":
            self.counts[node] = found.shape[0]
        return found


def _problem(place: str, shape: tuple[int, ...], why: str) -> str:
    where = f"layer '{place}'" if place else ITSELF
    return (
        f"The network does not take images of {shape[1]} x {shape[2]}: {where} holds its own "
        f'size ({why}). Set [recipe.prune] resolution = "fixed".'
    )
