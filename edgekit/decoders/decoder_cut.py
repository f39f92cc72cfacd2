"""The blocks, MLP units and key-value heads of a decoder that stay.

Runtimes for generation read one width for all blocks from `config.json`: every block keeps as
many units and heads as the others, each the ones that matter most in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from edgekit.decoders.block_importance import BlockScores, Importance
from edgekit.decoders.decoder import Decoder
from edgekit.errors import UsageError

_MULTIPLE = 128
"""MLP widths are multiples of it: weights of four bits are scaled in groups of up to so many."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Numbers of blocks, MLP units and key-value heads."""

    blocks: int
    mlp_width: int
    groups: int


@dataclass(frozen=True, kw_only=True)
class KeptBlock:
    """A block that stays, and what stays in it: ascending numbers in the uncut decoder."""

    index: int
    units: tuple[int, ...]
    groups: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class DecoderCut:
    """The blocks that stay, in order; each with as many units and key-value heads."""

    blocks: tuple[KeptBlock, ...]

    @property
    def sizes(self) -> Sizes:
        """The numbers that stay."""
        first = self.blocks[0]
        return Sizes(
            blocks=len(self.blocks),
            mlp_width=len(first.units),
            groups=len(first.groups),
        )


def sizes_of(decoder: Decoder) -> Sizes:
    """The numbers before a cut."""
    return Sizes(
        blocks=decoder.blocks, mlp_width=decoder.mlp_width, groups=decoder.groups
    )


def sizes_after(
    decoder: Decoder, *, depth: float = 0.0, mlp: float = 0.0, heads: float = 0.0
) -> Sizes:
    """The numbers that stay where these fractions of the blocks, MLP units and key-value heads go.

    Raises `UsageError` for fractions outside 0 to 1, and where nothing would be left.
    """
    for name, fraction in (("depth", depth), ("mlp", mlp), ("heads", heads)):
        if not 0 <= fraction < 1:
            raise UsageError(
                f"{name} = {fraction:g} is not a fraction from 0 to below 1."
            )
    step = width_step(decoder)
    width = round(decoder.mlp_width * (1 - mlp) / step) * step
    return Sizes(
        blocks=max(1, round(decoder.blocks * (1 - depth))),
        mlp_width=max(step, width),
        groups=_nearest_groups(decoder, heads),
    )


def width_step(decoder: Decoder) -> int:
    """MLP widths of a cut are multiples of it."""
    return math.gcd(decoder.mlp_width, _MULTIPLE)


def choose(decoder: Decoder, importance: Importance, sizes: Sizes) -> DecoderCut:
    """Keep the blocks of the highest influence, and of each what matters most in it."""
    order = sorted(
        range(decoder.blocks), key=lambda index: -importance.blocks[index].influence
    )
    return DecoderCut(
        blocks=tuple(
            _kept(index, importance.blocks[index], sizes)
            for index in sorted(order[: sizes.blocks])
        )
    )


def _kept(index: int, scores: BlockScores, sizes: Sizes) -> KeptBlock:
    return KeptBlock(
        index=index,
        units=_best(scores.units, sizes.mlp_width),
        groups=_best(scores.groups, sizes.groups),
    )


def _best(scores: Tensor, count: int) -> tuple[int, ...]:
    return tuple(sorted(scores.topk(count).indices.tolist()))


def _nearest_groups(decoder: Decoder, fraction: float) -> int:
    """The number of key-value heads next to what was requested that the family takes."""
    target = decoder.groups * (1 - fraction)
    return min(group_counts(decoder), key=lambda count: (abs(count - target), -count))


def group_counts(decoder: Decoder) -> Iterator[int]:
    """Numbers of key-value heads that the family takes, ascending."""
    served = decoder.heads // decoder.groups
    for count in range(1, decoder.groups + 1):
        divides = decoder.parsed.hidden_size % (count * served) == 0
        if divides or not decoder.family.heads_divide:
            yield count
