"""The frontier over networks: its cases, its limits, and what peers cut."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import pytest
import torch

from benchmarks.frontier_networks import (
    NETWORKS,
    ROOT,
    MobileNet,
    Places,
    ResNet56,
    module_of,
    project_of,
)
from benchmarks.frontier_peers import METHODS, cut_by_peer, points_of
from benchmarks.latency_frontier import KEYS, Session, cases
from benchmarks.quantization_networks import Missing
from benchmarks.results import Table
from edgekit import sources
from edgekit.config.project import load
from edgekit.pipeline.samples import BuildData, read_samples
from edgekit.program.program import Program
from edgekit.progress import Silent


@pytest.fixture
def places(tmp_path: Path) -> Places:
    nowhere = tmp_path / "nowhere"
    return Places(
        images=nowhere, weights=nowhere, resnet56=nowhere, cache=tmp_path / "cache"
    )


def session(places: Places, tmp_path: Path, **limits: float | None) -> Session:
    return Session(
        places=places,
        most=limits.get("most"),  # type: ignore[arg-type]
        minutes=limits.get("minutes"),
        table=Table("frontier", KEYS, (), tmp_path),
        started=time.monotonic() - 90,
    )


def test_every_network_has_all_methods_and_edgekit_one_a_target() -> None:
    for network in NETWORKS.values():
        asked = dict.fromkeys(network.targets, network.speedups)
        found = [*cases(network, 2, asked)]
        assert len({case.name for case in found}) == len(found)
        ours = [case for case in found if case.method == "edgekit"]
        count = len(network.targets) * len(network.speedups) * 2
        assert len(ours) == count and found[0].method == "edgekit"
        assert {case.target for case in found} == {*network.targets, "any"}
        assert all(case.seed == 0 for case in found[: len(found) // 2])


def test_fastnas_is_left_out_where_no_environment_of_its_own_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FRONTIER_NAS_PYTHON", raising=False)
    assert points_of(NETWORKS["resnet20"], "modelopt fastnas") == ()
    monkeypatch.setenv("FRONTIER_NAS_PYTHON", "python")
    assert points_of(NETWORKS["resnet20"], "modelopt fastnas")
    assert points_of(NETWORKS["text"], "modelopt fastnas") == ()


def test_a_step_stops_after_as_many_networks_or_minutes_as_it_may(
    places: Places, tmp_path: Path
) -> None:
    two = session(places, tmp_path, most=2)
    assert [two.may_begin() for _ in range(3)] == [True, True, False]
    assert not session(places, tmp_path, minutes=1).may_begin()
    assert session(places, tmp_path, minutes=10).may_begin()
    assert session(places, tmp_path).may_begin()


def test_speed_ups_stay_as_they_were_planned(places: Places, tmp_path: Path) -> None:
    one, network = session(places, tmp_path), NETWORKS["sound"]
    assert one.asked(network) == dict.fromkeys(network.targets, network.speedups)
    kept = {"litert": (1.4, 2.0), "onnxruntime": (1.2, 1.5)}
    one.keep_asked(network, kept)
    assert session(places, tmp_path).asked(network) == kept
    plans = [c for c in cases(network, 1, kept) if c.method == "edgekit"]
    assert [(c.target, c.point) for c in plans] == [
        ("litert", 1.4), ("litert", 2.0), ("onnxruntime", 1.2), ("onnxruntime", 1.5)
    ]  # fmt: skip


def test_data_that_are_not_at_hand_leave_a_network_out(places: Places) -> None:
    for name in ("resnet20", "resnet56", "mobilenet"):
        with pytest.raises(Missing, match="nowhere"):
            project_of(NETWORKS[name], places)
    assert not [*places.cache.glob("projects/*")]


def test_the_recovery_is_the_same_for_all_and_in_the_project(places: Places) -> None:
    recipe = project_of(NETWORKS["sound"], places).recipe.distill
    assert (recipe.epochs, recipe.losses) == (NETWORKS["sound"].epochs, {})


@pytest.mark.parametrize("build", [ResNet56, MobileNet])
def test_networks_of_images_answer_with_ten_logits(
    build: type[torch.nn.Module],
) -> None:
    with torch.no_grad():
        assert build().eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@cache
def loaded(name: str) -> tuple[Program, BuildData]:
    project = load(ROOT / "examples" / name)
    teacher = sources.load(project.model, root=project.root)
    return teacher, read_samples(project, teacher, {}, Silent())


@pytest.mark.parametrize(
    "method", [one for one in METHODS if "greg" not in one and one[0] in "tu"]
)
def test_every_peer_cuts_the_sound_network_and_keeps_its_form(
    method: str, places: Places
) -> None:
    network = NETWORKS["sound"]
    project = project_of(network, places)
    teacher, samples = loaded("sound")
    found = cut_by_peer(network, project, teacher, samples, places, method, 0.5)
    assert found is not None and found.inputs == teacher.inputs
    sizes = [
        sum(p.numel() for p in one.module.parameters()) for one in (found, teacher)
    ]
    assert sizes[0] < 0.8 * sizes[1]
    with torch.no_grad():
        assert found.module(*found.example()).shape[1:] == (12,)


def test_without_residual_blocks_no_depth_is_cut(places: Places) -> None:
    network = NETWORKS["segment"]
    teacher, samples = loaded("segment")
    project = project_of(network, places)
    assert (
        cut_by_peer(network, project, teacher, samples, places, "uniform depth", 0.5)
        is None
    )


def test_the_module_that_peers_cut_is_the_trained_one(places: Places) -> None:
    teacher, samples = loaded("text")
    inputs, _ = samples.test.arrays([0, 1])
    module = module_of(project_of(NETWORKS["text"], places))
    with torch.no_grad():
        given = torch.from_numpy(inputs)
        assert torch.allclose(module(given), teacher.module(given), atol=1e-5)
