"""Students and teachers that the recipe names: found, checked and scaled before any training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.api.environment import attached_environment
from edgekit.commands.build import read_request
from edgekit.commands.console import Bars, err_console
from edgekit.errors import ModelError, ProjectError
from edgekit.pipeline import chain
from edgekit.pipeline.iterative import _halfway
from edgekit.pipeline.loading import load
from edgekit.pipeline.pruning_inputs import PruningInputs
from edgekit.pipeline.request import BuildRequest
from edgekit.program.program import Program
from edgekit.types import (
    NetworkSpec,
    StudentSpec,
)
from tests.unit.pipeline.artifacts import artifact

Parts = tuple[BuildRequest, PruningInputs, Program]
OTHERS = """

def narrow():
    return Net(width=8)


def more_classes():
    return Net(classes=4)


def more_channels():
    net = Net()
    net.stem = nn.Conv2d(1, 32, 3, padding=1)
    return net
"""


@pytest.fixture(scope="module")
def project(own_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("students") / "own"
    root.mkdir()
    for name in ("data", "weights.safetensors"):
        (root / name).symlink_to(own_project / name)
    (root / "model.py").write_text((own_project / "model.py").read_text() + OTHERS)
    text = (own_project / "edgekit.toml").read_text()
    (root / "edgekit.toml").write_text(
        text + '\n[recipe.prune]\ncost_provenance = "estimated"\n'
    )
    return root


@pytest.fixture(scope="module")
def parts(project: Path) -> Iterator[Parts]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEKIT_CACHE", str(project.parent / "cache"))
        bars = Bars(err_console, silent=True)
        request = read_request(project, "raspberrypi4", bars)
        with attached_environment(request, device="local", progress=bars) as env:
            loaded = load(request, env, {})
            inputs = PruningInputs.of(request, env, loaded, [artifact("fp32")])
            yield request, inputs, loaded.teacher


def refused(parts: Parts, **changes: object) -> str:
    request, inputs, teacher = parts
    distill = replace(inputs.recipe.distill, **changes)  # type: ignore[arg-type]
    inputs = replace(inputs, recipe=replace(inputs.recipe, distill=distill))
    with pytest.raises((ModelError, ProjectError)) as caught:
        chain.prune_and_distill(request, inputs, teacher, Path("none"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_pair_that_does_not_agree_is_refused_before_training(
    parts: Parts,
) -> None:
    found = refused(parts, student="model.py:more_classes")
    assert "The student model.py:more_classes does not fit the network" in found
    assert "The teacher has 3 outputs and the student 4" in found
    other = NetworkSpec(source="model.py:more_classes")
    assert "The teacher model.py:more_classes does not" in refused(
        parts, teachers=(other,)
    )
    assert "No function 'smal'" in refused(parts, student="model.py:smal")
    assert "fails on input shape [3, 16, 16]" in refused(
        parts, student="model.py:more_channels"
    )


def test_a_chain_that_makes_no_sense_is_refused(
    parts: Parts,
) -> None:
    assert 'has "pruned" after another student' in refused(
        parts, assistants=("model.py:narrow",)
    )
    both = StudentSpec(source="model.py:narrow", width=0.5)
    assert "a source of its own, or a width or depth" in refused(parts, student=both)
    assert "a source of its own, or a width or depth" in refused(
        parts, student=StudentSpec()
    )


def test_a_share_of_width_and_depth(
    parts: Parts,
) -> None:
    _, inputs, teacher = parts
    planner = inputs.planner(teacher, "fp32")
    assert chain._dropped(planner, None) == ()
    [dropped] = chain._dropped(planner, 0.5)
    assert dropped == planner.graph.blocks[1].id
    assert chain._nearest((8, 12, 16, 24, 32), 32, 0.5) == 16
    assert chain._nearest((8, 12, 16, 24, 32), 32, 0.4) == 12
    assert chain._nearest((8,), 32, None) == 32


def test_an_assistant_goes_half_of_the_way(
    parts: Parts,
) -> None:
    from edgekit.pipeline.constraints import PlanConstraints

    _, inputs, teacher = parts
    planner = inputs.planner(teacher, "fp32")
    whole = planner.parameters()
    constraints = PlanConstraints(
        speedup=9.0, full_cost=1.0, parameters=whole // 4, macs=planner.macs() // 4
    )
    found = _halfway(constraints, planner)
    assert found.speedup == pytest.approx(3)
    assert found.parameters == pytest.approx(whole / 2, rel=1e-3)
    assert found.macs == pytest.approx(planner.macs() / 2, rel=1e-3)
