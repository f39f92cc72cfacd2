"""Pairing of a student's layers, and outputs, with its teacher's.

A pruned network kept the names of its teacher's nodes, so its layers are found by name. Any other
network is matched by the size of its maps, or, where all are alike, by depth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor, fx

from edgekit.distill.losses import ON_ATTENTION, ON_FEATURES
from edgekit.errors import ProjectError
from edgekit.program.feeds import Feeds, rows
from edgekit.program.named_outputs import tensors
from edgekit.program.program import Program
from edgekit.types import DistillRecipe

aten = torch.ops.aten
T = TypeVar("T")
MOST = 4
"""As many pairs of layers are compared at most: the last of them."""
_JOINS = (aten.add.Tensor, aten.add_.Tensor)
_ACTIVATIONS = (
    *(aten.relu.default, aten.relu_.default, aten.gelu.default, aten.silu.default),
    *(aten.silu_.default, aten.hardtanh.default, aten.hardtanh_.default),
    *(aten.hardswish.default, aten.hardswish_.default, aten.leaky_relu.default),
    *(aten.elu.default, aten.sigmoid.default, aten.tanh.default, aten.mish.default),
)
_ATTENTION = aten.scaled_dot_product_attention.default


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A node whose value is worth comparing; `places` are its dimensions besides the channels."""

    name: str
    operator: str
    width: int
    places: tuple[int, ...]

    @property
    def rank(self) -> int:
        """Number of dimensions of its output."""
        return len(self.places) + 2


Pairs = tuple[tuple[Layer, Layer], ...]
"""(teacher's layer, student's layer), in order of depth."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Parts of two networks that a recipe's losses compare, the teacher's and the student's."""

    layers: Pairs = ()
    attentions: tuple[tuple[str, str], ...] = ()
    """Names of their nodes."""
    outputs: tuple[tuple[int, int], ...] = ()
    """Numbers of those that the task does not read."""

    @property
    def inside(self) -> bool:
        """Return whether more is compared than outputs."""
        return bool(self.layers or self.attentions)


def pair(
    teacher: Program, student: Program, recipe: DistillRecipe, samples: Feeds
) -> Compared:
    """The parts of both networks that the recipe's losses compare; `samples` are several.

    Raises `ProjectError` where the networks lack what a loss looks at.
    """
    added = (recipe.losses or {}).keys()
    found = Compared()
    if added & ON_FEATURES:
        found = replace(found, layers=pair_layers(teacher, student, recipe.pairs))
    if added & ON_ATTENTION:
        found = replace(found, attentions=pair_attentions(teacher, student))
    if recipe.outputs_weight:
        found = replace(found, outputs=pair_outputs(teacher, student, samples))
    return found


def pair_layers(
    teacher: Program, student: Program, given: Mapping[str, str] | None = None
) -> Pairs:
    """At most `MOST` pairs, or those `given` by the recipe as teacher's node -> student's node.

    Raises `ProjectError` where none is found, or a given node is not there.
    """
    if given:
        return _given(teacher, student, given)
    pairs = _found(layers(teacher), layers(student))
    if not pairs:
        raise ProjectError(
            "No layers of teacher and student could be paired: their maps have no size in "
            "common. Name them in [recipe.distill] pairs (teacher's node = student's node)."
        )
    return pairs


def share_maps(teacher: Program, student: Program) -> bool:
    """Return whether both have maps (channels, height, width) of one size."""
    return any(one.rank == 4 for one, _ in _found(layers(teacher), layers(student)))


def _found(theirs: Sequence[Layer], ours: Sequence[Layer]) -> Pairs:
    own = {layer.name: layer for layer in ours}
    same = [
        (layer, own[layer.name])
        for layer in theirs
        if layer.name in own and _alike(layer, own[layer.name])
    ]
    # A shallower network traced afresh has the first of the same names, for other layers.
    shallower = ours and [one.name for one, _ in same] == [
        layer.name for layer in theirs[: len(ours)]
    ]
    if len(same) == len(ours) and (len(ours) == len(theirs) or not shallower):
        return _stages(same) if same else ()
    return _by_places(theirs, ours)


def pair_attentions(teacher: Program, student: Program) -> tuple[tuple[str, str], ...]:
    """The attentions of both networks by depth, as many as the shallower one has, the last last.

    Raises `ProjectError` where either has none that is a single operator of the graph.
    """
    found = [
        [node.name for node in p.module.graph.nodes if node.target is _ATTENTION]
        for p in (teacher, student)
    ]
    if not all(found):
        who = "teacher" if not found[0] else "student"
        raise ProjectError(
            f"The {who}'s graph has no scaled_dot_product_attention, which losses on attention "
            "look at. Remove them from [recipe.distill] losses."
        )
    return tuple(_by_depth(*found))


def pair_outputs(
    teacher: Program, student: Program, samples: Feeds
) -> tuple[tuple[int, int], ...]:
    """Numbers of the outputs, the teacher's and the student's, that the task does not read and
    that can be compared: of one shape, in float, a row a sample.

    By name where both have names, else by position. `samples` are several.
    """
    theirs, ours = (_real_rows(program, samples) for program in (teacher, student))
    places = {name: number for number, name in enumerate(student.output_names)}
    if not (teacher.outputs and student.outputs):
        places = dict(zip(teacher.output_names, range(len(ours)), strict=False))
    pairs = (
        (number, places[name])
        for number, name in enumerate(teacher.output_names)
        if len(theirs) > 1 and number not in teacher.reads and name in places
    )
    return tuple(
        (one, other)
        for one, other in pairs
        if theirs[one] is not None and theirs[one] == ours[other]
    )


def _real_rows(program: Program, samples: Feeds) -> list[torch.Size | None]:
    """The shape of each output that is in float and has a row a sample; else `None`."""
    with torch.no_grad():
        found, one = (
            tensors(program.module(*program.tensors(feeds)))
            for feeds in (samples, rows(samples, slice(1)))
        )
    return [
        whole.shape
        if whole.is_floating_point()
        and whole.ndim
        and (len(whole), len(single)) == (len(samples[0]), 1)
        else None
        for whole, single in zip(found, one, strict=True)
    ]


def layers(program: Program) -> list[Layer]:
    """The joins and activations of a network that have more places than one, in order."""
    found = []
    for node in program.module.graph.nodes:
        value = node.meta.get("val")
        if isinstance(value, Tensor) and value.is_floating_point():
            layer = _layer(node, value)
            if layer is not None:
                found.append(layer)
    return found


def _layer(node: fx.Node, value: Tensor) -> Layer | None:
    if node.target not in (*_JOINS, *_ACTIVATIONS) or value.ndim not in (3, 4):
        return None
    if not all(isinstance(size, int) for size in value.shape[1:]):
        return None
    sizes = tuple(int(size) for size in value.shape[1:])
    width, places = (
        (sizes[0], sizes[1:]) if value.ndim == 4 else (sizes[-1], sizes[:-1])
    )
    if math.prod(places) == 1:
        return None
    if value.ndim == 3 and not _joins_two(node, value):
        return None
    return Layer(name=node.name, operator=str(node.target), width=width, places=places)


def _joins_two(node: fx.Node, value: Tensor) -> bool:
    """Return whether two values of this very shape meet here, as on a transformer's stream."""
    if node.target not in _JOINS:
        return False
    values = [a.meta.get("val") for a in node.args[:2] if isinstance(a, fx.Node)]
    return len(values) == 2 and all(
        isinstance(v, Tensor) and v.shape == value.shape for v in values
    )


def _alike(one: Layer, other: Layer) -> bool:
    return one.operator == other.operator and one.places == other.places


def _stages(pairs: Sequence[tuple[Layer, Layer]]) -> Pairs:
    """The last pair of every size of maps; of tokens, which keep their size, evenly by depth."""
    by_places = {pair[0].places: pair for pair in pairs}
    if len(by_places) > 1:
        return tuple(by_places.values())[-MOST:]
    return tuple(_spread(pairs, min(MOST, len(pairs))))


def _by_places(theirs: Sequence[Layer], ours: Sequence[Layer]) -> Pairs:
    sizes = {layer.places for layer in theirs} & {layer.places for layer in ours}
    if len(sizes) == 1:
        one = sizes.pop()
        pairs = _by_depth(
            *(
                [layer for layer in side if layer.places == one]
                for side in (theirs, ours)
            )
        )
        return tuple(_spread(pairs, min(MOST, len(pairs))))
    last = {layer.places: layer for layer in ours}
    stages = {
        layer.places: (layer, last[layer.places])
        for layer in theirs
        if layer.places in sizes
    }
    return tuple(stages.values())[-MOST:]


def _by_depth(theirs: Sequence[T], ours: Sequence[T]) -> list[tuple[T, T]]:
    """As many pairs as the shorter has elements; the last meets the last."""
    count = min(len(theirs), len(ours))
    return list(zip(_spread(theirs, count), _spread(ours, count), strict=True))


def _spread(items: Sequence[T], count: int) -> list[T]:
    """`count` items at even distances, the last always among them."""
    return [items[len(items) * (n + 1) // count - 1] for n in range(count)]


def _given(teacher: Program, student: Program, given: Mapping[str, str]) -> Pairs:
    pairs = []
    for names in given.items():
        found = []
        for who, program, name in zip(
            ("teacher", "student"), (teacher, student), names, strict=True
        ):
            found.append(_named(program, name, who))
        if found[0].places != found[1].places:
            raise ProjectError(
                f"[recipe.distill] pairs: '{names[0]}' has places {list(found[0].places)} and "
                f"'{names[1]}' {list(found[1].places)}. Pair layers of equal sizes."
            )
        pairs.append((found[0], found[1]))
    return tuple(pairs)


def _named(program: Program, name: str, who: str) -> Layer:
    for node in program.module.graph.nodes:
        value = node.meta.get("val")
        if node.name == name and isinstance(value, Tensor) and value.ndim in (2, 3, 4):
            sizes = tuple(int(size) for size in value.shape[1:])
            first = value.ndim == 4
            return Layer(
                name=name,
                operator=str(node.target),
                width=sizes[0] if first else sizes[-1],
                places=sizes[1:] if first else sizes[:-1],
            )
    known = ", ".join(layer.name for layer in layers(program)[-6:]) or "none"
    raise ProjectError(
        f"[recipe.distill] pairs: the {who} has no layer '{name}'. Layers: {known}."
    )
