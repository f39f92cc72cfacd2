"""A network keeps what its file does with its outputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from edgekit.errors import ModelError
from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.program import program as programs
from edgekit.program import sidecar
from edgekit.program.io_fusion import channels_last, folded
from edgekit.program.program import Program, trace
from edgekit.types import InputSpec, IOFusion, Preprocess
from tests.zoo.exactness import random_plan

TAIL = bytes(range(256))


@pytest.fixture(scope="module")
def network() -> Program:
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 5)
    )
    made = trace(layers, (InputSpec(shape=(3, 4, 4), name="x"),))
    return replace(made, outputs=("rows",), tail=TAIL)


def test_it_is_in_the_file_and_stays_with_a_cut_network(
    network: Program, tmp_path: Path
) -> None:
    graph = analyze(network)
    small = shrink(graph, random_plan(graph.groups, 0.3))
    small.save(tmp_path / "net.pt2")
    loaded = programs.load(tmp_path / "net.pt2")
    assert (loaded.tail, loaded.outputs) == (TAIL, ("rows",))


def test_it_stays_where_the_outputs_stay(network: Program) -> None:
    raw = folded(network, IOFusion(preprocess=Preprocess(), dtype="uint8"))
    assert (raw.tail, raw.outputs) == (TAIL, ("rows",))
    assert channels_last(network).tail == TAIL
    classes = folded(network, IOFusion(postprocess="argmax", classes=5))
    assert (classes.tail, classes.outputs) == (None, ("rows",))


def test_a_damaged_one_is_refused(
    network: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = sidecar.Sidecar.extra_files

    def damaged(self: sidecar.Sidecar) -> dict[str, str]:
        return extra(replace(self, tail_base64="not base 64"))

    monkeypatch.setattr(sidecar.Sidecar, "extra_files", damaged)
    network.save(tmp_path / "net.pt2")
    with pytest.raises(ModelError, match=r"net\.pt2"):
        programs.load(tmp_path / "net.pt2")
