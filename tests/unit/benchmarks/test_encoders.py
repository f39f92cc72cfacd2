"""The benchmark's check of cuts, on tiny encoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

import edgekit as ek
from benchmarks import encoders
from edgekit.graph.graph import analyze
from tests.zoo.exactness import random_plan

SIZES: Mapping[str, int] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
IMAGE: Mapping[str, int] = {"image_size": 32, "patch_size": 8}


@pytest.mark.parametrize("name", [one.name for one in encoders.ENCODERS])
def test_cuts_equal_the_authors_module(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoders, "TRAIN", 8)
    monkeypatch.setattr(encoders, "TEST", 8)
    [tiny] = [replace(e, sizes=SIZES) for e in encoders.ENCODERS if e.name == name]
    if len(tiny.shape) == 3:
        tiny = replace(tiny, sizes={**SIZES, **IMAGE}, shape=(3, 32, 32))
    encoders.write(tiny, tmp_path / "project")
    folder = tmp_path / "project"
    inputs = tiny.samples(2, seed=0)
    if len(inputs) > 1:
        network = ek.load(str(folder / "model"), example_inputs=inputs)
    else:
        network = ek.load(str(folder / "model"), example_input=inputs["x"])
    graph = analyze(network.program)
    found = encoders.exactness(tiny, folder, graph, random_plan(graph.groups, 0.3))
    assert {group.kind for group in graph.groups} > {"head", "hidden", "embedding"}
    assert found.pop("groups_exact") >= 8
    assert set(found) == {"error_of_quarter", "error_of_plan", "error_of_blocks"}
    assert max(found.values()) < 1e-5
