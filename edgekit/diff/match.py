"""An artifact's tensors beside the network's, and the first operator that departs.

Exporters fold, fuse, rename and turn around: tensors are matched by their values, in either
order of channels, and by name only where values no longer agree. A tensor that only the
artifact has (padded, turned, half of a decomposed operator) is not a fault: a later tensor
agrees again. So the fault is the first tensor from which nothing that agrees follows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekit.evaluate.parity import rms_error
from edgekit.program.reference import Node
from edgekit.types.diff import Distance, Divergence, LayerDiff, Step

Array = NDArray[np.float32]

_SAMPLED = 4096
"""Number of elements of a tensor that suffice to distinguish it from others."""
_LIKE = 0.5
"""Cosine from which tensors that differ may still be called counterparts."""
_GROWTH = 2.0
_MOVERS = (
    *("TRANSPOSE", "RESHAPE", "SQUEEZE", "UNSQUEEZE", "EXPANDDIMS", "FLATTEN", "PAD"),
    *("PADV2", "MIRRORPAD", "CAST", "CONVERT", "IDENTITY", "SLICE", "STRIDEDSLICE"),
    *("CONCAT", "CONCATENATION", "SPLIT", "SPLITV", "VARIADICSPLIT", "GATHER", "PACK"),
    *("UNPACK", "EXPAND", "BROADCAST", "BROADCASTTO", "TILE", "REORDER"),
)
"""Operators that move numbers and compute none: what is wrong after one was wrong before, or
the next operator is named."""
_ALIKE = (
    ("CONV", ("conv1d", "conv2d", "conv3d", "convolution", "conv_transpose2d")),
    ("FULLYCONNECTED", ("linear", "addmm", "matmul", "mm")),
    ("GEMM", ("linear", "addmm", "matmul", "mm")),
    ("MATMUL", ("linear", "addmm", "matmul", "mm", "bmm", "scaled_dot_product_attention")),
)  # fmt: skip
"""Heavy operators, by what the artifacts' names contain, and what ATen calls them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sides:
    """Both sides on the same samples."""

    steps: Sequence[Step]
    values: Mapping[int, Array]
    """The output of each step, (samples, *shape), by its number."""
    ends: Sequence[int | None]
    """The steps behind the artifact's outputs."""
    network: Sequence[Node]
    tolerance: float
    """Relative error from which a tensor is another one."""
    floor: float
    """Relative error that one operator may add to any; beyond, no more than `_GROWTH` times that
    of what it reads. The same as `tolerance` where arithmetic is exact."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A step's counterpart: the number of a node, and how far apart they are."""

    node: int | None = None
    distance: Distance | None = None

    def agrees(self, tolerance: float) -> bool:
        """Return whether the relative error of the pair is within `tolerance`."""
        return self.distance is not None and self.distance.relative_error <= tolerance


def distance(got: Array, want: Array) -> Distance:
    """Of `got` from `want`, over all their elements."""
    a, b = got.astype(np.float64).ravel(), want.astype(np.float64).ravel()
    error = rms_error(a, b)
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    finite = bool(np.isfinite(a).all())
    return Distance(
        relative_error=error,
        cosine=float(a @ b) / lengths if lengths and finite else float(error == 0),
        sqnr_db=-20 * math.log10(error) if error and finite else None,
        largest=float(np.abs(a - b).max(initial=0)) if finite else math.inf,
    )


def pairs(sides: Sides) -> list[Pair]:
    """The counterpart of each step: the nearest, or that of its name where none is near."""
    names = {node.name: number for number, node in enumerate(sides.network)}
    every = range(len(sides.network))
    found = []
    for number, step in enumerate(sides.steps):
        pair = _nearest(sides, number, every)
        if step.tensor in names and not pair.agrees(sides.tolerance):
            named = _nearest(sides, number, [names[step.tensor]])
            pair = named if named.node is not None else pair
        found.append(pair)
    return found


def layers(sides: Sides, found: Sequence[Pair]) -> list[LayerDiff]:
    """Steps with a counterpart, once for each of the network's operators: the nearest."""
    best: dict[int, LayerDiff] = {}
    for step, pair in zip(sides.steps, found, strict=True):
        apart = pair.distance
        if pair.node is None or apart is None:
            continue
        if not pair.agrees(sides.tolerance) and apart.cosine < _LIKE:
            continue
        node, old = sides.network[pair.node], best.get(pair.node)
        if old is None or apart.relative_error < old.distance.relative_error:
            best[pair.node] = LayerDiff(
                operator=step.name,
                kind=step.kind,
                node=node.name,
                layer=node.layer,
                distance=apart,
            )
    return [best[node] for node in sorted(best)]


def first_divergence(sides: Sides, found: Sequence[Pair]) -> Divergence | None:
    """The first step from which nothing that agrees follows, though what it reads is sound."""
    steps = sides.steps
    agrees = _agreements(sides, found)
    sound = _with_sources(steps, {n for n, yes in enumerate(agrees) if yes})
    used = _with_sources(steps, {end for end in sides.ends if end is not None})
    lost = sorted(used - sound)
    first = [n for n in lost if sound.issuperset(_real(steps, n))]
    named = [n for n in first if not _moves(steps[n])] or first
    if not named:
        return None
    [number, *_] = named
    before = list(_agreeing(steps, number, agrees))
    known = [node for n in before if (node := found[n].node) is not None]
    pair = _counterpart(sides, number, known)
    at = None
    if pair.node is not None:
        place = _responsible(steps[number].kind, pair.node, known, sides.network)
        at = sides.network[place]
    return Divergence(
        operator=steps[number].name,
        kind=steps[number].kind,
        layer="" if at is None else at.layer,
        node="" if at is None else at.name,
        distance=pair.distance,
        after=steps[max(before)].name if before else "the input",
    )


def _agreements(sides: Sides, found: Sequence[Pair]) -> list[bool]:
    """Return whether each step agrees, allowing for the rounding of what it reads."""
    agrees: list[bool] = []
    levels: list[float] = []
    for step, pair in zip(sides.steps, found, strict=True):
        level = max((levels[source] for source in step.sources), default=0.0)
        limit = min(max(_GROWTH * level, sides.floor), sides.tolerance)
        agrees.append(pair.agrees(limit))
        error = pair.distance.relative_error if pair.distance else math.inf
        levels.append(error if agrees[-1] else level)
    return agrees


def _counterpart(sides: Sides, number: int, known: Sequence[int]) -> Pair:
    """The node that the step, or what first follows from it, should have given."""
    network = sides.network
    behind = [n for n in range(len(network)) if _behind(network, n, known)]
    for step in _from(sides.steps, number):
        pair = _nearest(sides, step, behind)
        if pair.node is not None:
            return pair
    return Pair()


def _responsible(
    kind: str, at: int, known: Sequence[int], network: Sequence[Node]
) -> int:
    """Of the operators fused into the step, the one of its own kind."""
    between = [
        n
        for n in sorted({*network[at].sources, at})
        if n not in known and _behind(network, n, known)
    ]
    plain = _plain(kind)
    for mark, operators in _ALIKE:
        if mark in plain:
            for n in between:
                if network[n].operator in operators:
                    return n
    return at


def _behind(network: Sequence[Node], node: int, known: Sequence[int]) -> bool:
    """Return whether a node follows from all that is known, or from the input where nothing is."""
    inputs = [n for n, one in enumerate(network) if one.operator == "input"]
    expected = known or inputs
    return (
        node not in expected
        and any(n in network[node].sources for n in expected)
        and not any(node in network[n].sources for n in expected)
    )


def _agreeing(
    steps: Sequence[Step], number: int, agrees: Sequence[bool]
) -> Iterator[int]:
    """The nearest steps before `number` that agree, on every path."""
    seen: set[int] = set()
    waiting = list(steps[number].sources)
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        if agrees[one]:
            yield one
        else:
            waiting += steps[one].sources


def _from(steps: Sequence[Step], number: int) -> Iterator[int]:
    """The step and what follows from it, in order."""
    reached = {number}
    for later in range(number, len(steps)):
        if later == number or reached & set(steps[later].sources):
            reached.add(later)
            yield later


def _with_sources(steps: Sequence[Step], numbers: set[int]) -> set[int]:
    """Those steps and all that they follow from."""
    found = set(numbers)
    for number in reversed(range(len(steps))):
        if number in found:
            found.update(steps[number].sources)
    return found


def _real(steps: Sequence[Step], number: int) -> Iterator[int]:
    """The computing steps that a step reads, through those that only move."""
    for source in steps[number].sources:
        if _moves(steps[source]):
            yield from _real(steps, source)
        else:
            yield source


def _moves(step: Step) -> bool:
    return _plain(step.kind) in _MOVERS


def _plain(kind: str) -> str:
    return kind.upper().replace("_", "")


# --- the same tensor, matched by its values ---------------------------------------------------


def _nearest(sides: Sides, step: int, among: Sequence[int]) -> Pair:
    """The node of those that is nearest to the output of the step, in either order of
    channels."""
    given = sides.values.get(step)
    if given is None:
        return Pair()
    size = math.prod(given.shape[1:])
    alike = [n for n in among if sides.network[n].values.shape[1] == size]
    if not alike:
        return Pair()
    places = _places(size)
    expected = np.stack([_sampled(sides.network[n].values, places) for n in alike])
    powers = np.square(expected).sum(1)

    def nearest(view: Array) -> tuple[float, int, Array]:
        mine = np.nan_to_num(_sampled(view, places))
        squares = powers - 2 * (expected @ mine) + float(mine @ mine)
        errors = np.maximum(squares, 0) / np.maximum(powers, 1e-30)
        choice = int(errors.argmin())
        return float(errors[choice]), alike[choice], view

    _, node, view = min(map(nearest, _views(given)), key=lambda found: found[0])
    apart = distance(view, sides.network[node].values)
    return Pair(node=node, distance=apart)


def _places(size: int) -> NDArray[np.int64]:
    """Elements to look at, the same for every tensor of a size."""
    if size <= _SAMPLED:
        return np.arange(size)
    generator = np.random.default_rng(size)
    return np.sort(generator.choice(size, _SAMPLED, replace=False))


def _sampled(values: Array, places: NDArray[np.int64]) -> NDArray[np.float64]:
    return values[:, places].ravel().astype(np.float64)


def _views(given: Array) -> Iterator[Array]:
    """(samples, elements): as they lie, and with the last dimension moved to the front."""
    yield given.reshape(len(given), -1)
    if given.ndim > 2:
        yield np.moveaxis(given, -1, 1).reshape(len(given), -1)
