from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from edgekit.decoders import block_importance, decoder, decoder_cut, folder_cut
from edgekit.decoders.decoder_cut import DecoderCut, KeptBlock, Sizes
from edgekit.errors import ModelError, OutputError
from tests.unit.decoders import folders

Written = Callable[[str], Path]
ALL_UNITS, ALL_GROUPS = tuple(range(64)), (0, 1)


def plan(*blocks: int, units: Any = ALL_UNITS, groups: Any = ALL_GROUPS) -> DecoderCut:
    return DecoderCut(
        blocks=tuple(KeptBlock(index=i, units=units, groups=groups) for i in blocks)
    )


def bypassed(network: Any, indices: set[int]) -> Any:
    """The author's network with the given blocks as identities."""
    made = copy.deepcopy(network)
    for index in indices:
        made.model.layers[index].forward = lambda hidden, **_: hidden
    return made


def silenced(network: Any, units: set[int], groups: set[int]) -> Any:
    """The author's network where the given units and key-value heads add nothing."""
    made = copy.deepcopy(network)
    config = made.config
    size = made.model.layers[0].self_attn.head_dim
    served = config.num_attention_heads // config.num_key_value_heads * size
    with torch.no_grad():
        for layer in made.model.layers:
            for unit in units:
                layer.mlp.down_proj.weight[:, unit] = 0
            for group in groups:
                columns = slice(group * served, (group + 1) * served)
                layer.self_attn.o_proj.weight[:, columns] = 0
    return made


@pytest.mark.parametrize("name", folders.FAMILIES)
def test_a_cut_decoder_is_the_authors_without_the_parts(
    written: Written, name: str, tmp_path: Path
) -> None:
    opened = decoder.read(written(name))
    units = tuple(range(16, 48))
    small = folder_cut.cut(opened, plan(0, 2, 3, units=units, groups=(1,)), tmp_path)
    assert decoder_cut.sizes_of(small) == Sizes(blocks=3, mlp_width=32, groups=1)
    rows = folders.tokens()
    gone = set(range(64)) - set(units)
    original = bypassed(folders.load(written(name)), {1})
    expected = folders.logits(silenced(original, gone, {0}), rows)
    found = folders.logits(folders.load(tmp_path), rows)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert (found - folders.logits(original, rows)).abs().max() > 0.01


@pytest.mark.parametrize("name", ["llama", "smollm3", "qwen3-window", "gemma3"])
def test_a_decoder_that_keeps_everything_is_the_same(
    written: Written, name: str, tmp_path: Path
) -> None:
    small = folder_cut.cut(decoder.read(written(name)), plan(0, 1, 2, 3), tmp_path)
    rows = folders.tokens()
    expected = folders.logits(folders.load(written(name)), rows)
    assert torch.equal(folders.logits(folders.load(small.folder), rows), expected)


def test_lists_of_blocks_are_cut_with_them(written: Written, tmp_path: Path) -> None:
    opened = decoder.read(written("qwen3-window"))
    folder_cut.cut(opened, plan(1, 2, 3), tmp_path / "qwen3")
    config = json.loads((tmp_path / "qwen3" / "config.json").read_text())
    slides = "sliding_attention"
    assert config["layer_types"] == ["full_attention", slides, slides]
    assert config["max_window_layers"] == 1
    opened = decoder.read(written("smollm3"))
    folder_cut.cut(opened, plan(1, 2), tmp_path / "smollm3")
    config = json.loads((tmp_path / "smollm3" / "config.json").read_text())
    assert config["no_rope_layers"] == [1, 0]


def test_the_folder_is_complete(written: Written, tmp_path: Path) -> None:
    source = written("llama")
    folder_cut.cut(decoder.read(source), plan(0, 3), tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        assert (tmp_path / name).read_bytes() == (source / name).read_bytes()
    assert folder_cut.kept_blocks(tmp_path) == (0, 3)
    with pytest.raises(ModelError, match=r"edgekit_cut\.json"):
        folder_cut.kept_blocks(source)


def test_the_precision_stays(written: Written, tmp_path: Path) -> None:
    folders.load(written("qwen2")).to(torch.bfloat16).save_pretrained(tmp_path / "half")
    opened = decoder.read(tmp_path / "half")
    small = folder_cut.cut(opened, plan(0, 3), tmp_path / "small")
    found = small.tensors(small.shapes)
    assert {tensor.dtype for tensor in found.values()} == {torch.bfloat16}


def test_folders_with_files_are_not_written_over(
    written: Written, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(OutputError, match="is not empty"):
        folder_cut.cut(decoder.read(written("llama")), plan(0), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_nothing_is_left_of_a_cut_that_failed(written: Written, tmp_path: Path) -> None:
    with pytest.raises(IndexError):
        folder_cut.cut(
            decoder.read(written("llama")), plan(0, units=(99,)), tmp_path / "out"
        )
    assert not list(tmp_path.iterdir())


def test_less_is_lost_by_what_matters_least(written: Written, tmp_path: Path) -> None:
    """The units that the measured importance keeps, against those that it drops."""
    opened = decoder.read(written("qwen2"))
    rows = folders.tokens(rows=8)
    scores = block_importance.measure(opened, rows)
    best = decoder_cut.choose(opened, scores, Sizes(blocks=4, mlp_width=32, groups=2))
    worst = DecoderCut(
        blocks=tuple(
            KeptBlock(
                index=kept.index,
                units=tuple(sorted(set(ALL_UNITS) - set(kept.units))),
                groups=kept.groups,
            )
            for kept in best.blocks
        )
    )
    expected = folders.logits(folders.load(opened.folder), rows)

    def lost(which: DecoderCut, out: Path) -> float:
        small = folder_cut.cut(opened, which, out)
        return float(
            (folders.logits(folders.load(small.folder), rows) - expected).norm()
        )

    assert lost(best, tmp_path / "best") < 0.8 * lost(worst, tmp_path / "worst")
