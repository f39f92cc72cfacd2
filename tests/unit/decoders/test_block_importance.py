from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from edgekit.decoders import block_importance, decoder, streaming
from tests.unit.decoders import folders

Written = Callable[[str], Path]


@pytest.mark.parametrize("name", ["llama", "qwen3", "gemma3"])
def test_influence_is_one_minus_the_cosine(written: Written, name: str) -> None:
    rows = folders.tokens(rows=5)
    network = folders.load(written(name))
    with torch.no_grad():
        states = network(rows, use_cache=False, output_hidden_states=True).hidden_states
    opened = decoder.read(written(name))
    found = block_importance.measure(opened, rows)
    for index in range(opened.blocks - 1):
        cosine = F.cosine_similarity(states[index], states[index + 1], dim=-1).mean()
        influence = found.blocks[index].influence
        assert influence == pytest.approx(1 - cosine.item(), abs=1e-4)
    assert found.perplexity == pytest.approx(streaming.perplexity(opened, rows))


def test_scores_are_the_norms_of_what_is_lost_without_a_part(written: Written) -> None:
    """A unit's score is the norm of the change of the MLP's output without it."""
    rows = folders.tokens()
    opened = decoder.read(written("llama"))
    found = block_importance.measure(opened, rows).blocks[0]
    hidden = streaming.embed(opened, rows)
    network = streaming.block(opened, 0)
    layer = network.layers[0]
    seen = {}
    layer.mlp.register_forward_hook(lambda m, a, out: seen.update(mlp=out))
    layer.self_attn.register_forward_hook(lambda m, a, out: seen.update(heads=out[0]))

    def change(part: str, weight: torch.Tensor, columns: slice) -> float:
        with torch.no_grad():
            streaming.apply(network, hidden)
            before = seen[part]
            kept = weight[:, columns].clone()
            weight[:, columns] = 0
            streaming.apply(network, hidden)
            weight[:, columns] = kept
        return float((seen[part] - before).square().sum(-1).mean().sqrt())

    for unit in (0, 17, 63):
        lost = change("mlp", layer.mlp.down_proj.weight, slice(unit, unit + 1))
        assert found.units[unit].item() == pytest.approx(lost, rel=1e-3)
    for group in (0, 1):  # of two heads of eight
        columns = slice(group * 16, group * 16 + 16)
        lost = change("heads", layer.self_attn.o_proj.weight, columns)
        assert found.groups[group].item() == pytest.approx(lost, rel=1e-3)
