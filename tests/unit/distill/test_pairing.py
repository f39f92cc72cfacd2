from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.distill.pairing import (
    layers,
    pair,
    pair_attentions,
    pair_layers,
    pair_outputs,
    share_maps,
)
from edgekit.errors import ProjectError
from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.program.program import Program, trace
from edgekit.types import DistillRecipe, InputSpec, Plan


class Residual(nn.Module):
    def __init__(self, width: int, act: type[nn.Module]) -> None:
        super().__init__()
        self.conv, self.act = nn.Conv2d(width, width, 3, padding=1), act()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(x + self.conv(x))


def cnn(width: int = 8, depth: int = 2, act: type[nn.Module] = nn.ReLU) -> Program:
    stages: list[nn.Module] = [nn.Conv2d(1, width, 3, padding=1)]
    for number in range(2):
        stages += [Residual(width * 2**number, act) for _ in range(depth)]
        if number == 0:
            stages.append(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1))
    tail = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, 3)]
    torch.manual_seed(0)
    return trace(nn.Sequential(*stages, *tail), (InputSpec(shape=(1, 8, 8)),))


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).chunk(3, dim=2)
        parts = [
            y.reshape(batch, tokens, self.heads, -1).transpose(1, 2) for y in (q, k, v)
        ]
        mixed = nn.functional.scaled_dot_product_attention(*parts)
        return x + self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))


def transformer(depth: int, width: int = 12) -> Program:
    blocks = nn.Sequential(
        nn.Linear(4, width),
        *(Block(width, 2) for _ in range(depth)),
        nn.Linear(width, 3),
    )
    return trace(blocks, (InputSpec(shape=(6, 4)),))


def test_a_pruned_network_is_paired_by_the_names_it_kept() -> None:
    teacher = cnn()
    graph = analyze(teacher)
    kept = {group.id: (0, 2) for group in graph.groups}
    student = shrink(graph, Plan(kept=kept, dropped_blocks=(graph.blocks[0].id,)))
    pairs = pair_layers(teacher, student)
    assert [theirs.name for theirs, _ in pairs] == [ours.name for _, ours in pairs]
    assert [theirs.places for theirs, _ in pairs] == [(8, 8), (4, 4)]
    assert [(t.width, s.width) for t, s in pairs] == [(8, 2), (16, 2)]
    last = {layer.places: layer.name for layer in layers(teacher)}
    assert [theirs.name for theirs, _ in pairs] == list(last.values())


def test_other_networks_are_paired_by_the_size_of_their_maps() -> None:
    teacher, student = cnn(depth=3), cnn(width=4, depth=1, act=nn.SiLU)
    pairs = pair_layers(teacher, student)
    assert [(t.places, s.places) for t, s in pairs] == [((8, 8),) * 2, ((4, 4),) * 2]
    assert "silu" in pairs[-1][1].operator
    assert share_maps(teacher, student)


def test_transformers_are_paired_by_depth_and_last_with_last() -> None:
    teacher, student = transformer(6), transformer(2, width=8)
    theirs, ours = (layers(network) for network in (teacher, student))
    pairs = pair_layers(teacher, student)
    assert [theirs.index(t) for t, _ in pairs] == [2, 5]
    assert [ours.index(s) for _, s in pairs] == [0, 1]
    assert [t.width for t, _ in pairs] == [12, 12]
    heads = pair_attentions(teacher, student)
    assert len(heads) == 2
    assert not share_maps(teacher, student)


def test_layers_can_be_named() -> None:
    teacher, student = cnn(), cnn(width=4)
    first = layers(teacher)[0].name
    [(theirs, ours)] = pair_layers(teacher, student, {first: first})
    assert (theirs.name, theirs.width, ours.width) == (first, 8, 4)
    last = layers(teacher)[-1].name
    with pytest.raises(ProjectError, match="equal sizes"):
        pair_layers(teacher, student, {first: last})
    with pytest.raises(
        ProjectError, match=r"student has no layer 'nowhere'\. Layers: "
    ):
        pair_layers(teacher, student, {first: "nowhere"})


def test_what_cannot_be_paired_is_refused() -> None:
    dense = trace(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), (InputSpec(shape=(4,)),))
    with pytest.raises(ProjectError, match="could be paired"):
        pair_layers(dense, dense)
    with pytest.raises(ProjectError, match="teacher's graph has no scaled_dot"):
        pair_attentions(cnn(), transformer(1))


class Heads(nn.Module):
    """Outputs by name: logits, features, a decision, and a number of the network itself."""

    def __init__(self, order: tuple[str, ...], seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.order = order
        self.logits, self.aux = nn.Linear(4, 3), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.logits(x)
        given = {"logits": logits, "aux": self.aux(x), "best": logits.argmax(1)}
        given["bias"] = self.aux.bias * 2
        return {name: given[name] for name in self.order}


def heads(*order: str) -> Program:
    return trace(Heads(order), (InputSpec(shape=(4,)),))


def test_outputs_are_paired_by_name_and_only_where_they_can_be_compared() -> None:
    samples = (np.ones((2, 4), np.float32),)
    teacher = replace(heads("logits", "aux", "best", "bias"), reads=(0,))
    turned = heads("best", "aux", "bias", "logits")
    assert pair_outputs(teacher, turned, samples) == ((1, 1),)
    assert pair_outputs(replace(teacher, reads=(1,)), turned, samples) == ((0, 3),)
    assert pair_outputs(teacher, heads("logits", "best"), samples) == ()
    unnamed = replace(heads("logits", "aux"), outputs=())
    assert pair_outputs(teacher, unnamed, samples) == ((1, 1),)
    assert pair(teacher, turned, DistillRecipe(outputs_weight=0), samples).outputs == ()
    only = trace(nn.Linear(4, 3), (InputSpec(shape=(4,)),))
    assert pair_outputs(only, only, samples) == ()
