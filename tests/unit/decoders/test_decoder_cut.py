from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from edgekit.decoders import decoder, decoder_cut
from edgekit.decoders.block_importance import BlockScores, Importance
from edgekit.decoders.decoder_cut import Sizes
from edgekit.errors import UsageError
from tests.unit.decoders import folders

Written = Callable[[str], Path]


def importance(influences: list[float]) -> Importance:
    """Units matter the more the higher their number, key-value heads the less."""
    return Importance(
        blocks=[
            BlockScores(
                influence=each,
                units=torch.arange(64.0),
                groups=torch.tensor([2.0, 1.0]),
            )
            for each in influences
        ],
        perplexity=1.0,
    )


def test_what_matters_most_stays(written: Written) -> None:
    opened = decoder.read(written("llama"))
    scores = importance([0.5, 0.1, 0.3, 0.2])
    plan = decoder_cut.choose(opened, scores, Sizes(blocks=2, mlp_width=16, groups=1))
    assert [kept.index for kept in plan.blocks] == [0, 2]
    assert all(kept.units == tuple(range(48, 64)) for kept in plan.blocks)
    assert all(kept.groups == (0,) for kept in plan.blocks)
    assert plan.sizes == Sizes(blocks=2, mlp_width=16, groups=1)


def test_fractions_become_sizes(written: Written) -> None:
    opened = decoder.read(written("qwen2"))
    assert decoder_cut.sizes_after(opened) == decoder_cut.sizes_of(opened)
    found = decoder_cut.sizes_after(opened, depth=0.25, heads=0.5)
    assert found == Sizes(blocks=3, mlp_width=64, groups=1)
    assert decoder_cut.sizes_after(opened, depth=0.99).blocks == 1


def test_mlp_widths_suit_the_groups_of_four_bit_weights(tmp_path: Path) -> None:
    folders.write(tmp_path, intermediate_size=384)
    opened = decoder.read(tmp_path)
    assert decoder_cut.sizes_after(opened, mlp=0.25).mlp_width == 256
    assert decoder_cut.sizes_after(opened, mlp=0.9).mlp_width == 128


def test_heads_divide_the_hidden_size_where_the_family_needs_it(tmp_path: Path) -> None:
    sizes = {"num_attention_heads": 8, "num_key_value_heads": 8}
    folders.write(tmp_path / "llama", **sizes)
    opened = decoder.read(tmp_path / "llama")
    assert list(decoder_cut.group_counts(opened)) == [1, 2, 4, 8]
    assert decoder_cut.sizes_after(opened, heads=0.25).groups == 8
    folders.write(tmp_path / "mistral", "mistral", **sizes)
    opened = decoder.read(tmp_path / "mistral")
    assert decoder_cut.sizes_after(opened, heads=0.25).groups == 6


@pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan")])
def test_fractions_outside_are_refused(written: Written, fraction: float) -> None:
    with pytest.raises(UsageError, match="depth = "):
        decoder_cut.sizes_after(decoder.read(written("llama")), depth=fraction)
