"""Exports and timings of a build as its recipe asks for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.config import project, targets
from edgekit.devices.local import LocalDevice
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.runners import BenchRunner, ExportRunner
from edgekit.progress import Silent
from edgekit.store import Store
from edgekit.types import Provenance


def parts(folder: Path, provenance: Provenance) -> tuple[BuildRequest, Environment]:
    one = project.example()
    recipe = replace(
        one.recipe,
        export=replace(one.recipe.export, litert_layout="nhwc"),
        bench=replace(one.recipe.bench, tier="full", threads=2),
    )
    target = targets.load("raspberrypi4")
    request = BuildRequest(project=replace(one, recipe=recipe), target=target)
    device = LocalDevice(provenance=provenance)
    return request, Environment(device=device, store=Store(folder), progress=Silent())


@pytest.mark.parametrize(("provenance", "proven"), [("device", True), ("host", False)])
def test_timings_are_the_targets_own_where_it_is_attached(
    tmp_path: Path, provenance: Provenance, proven: bool
) -> None:
    runner = BenchRunner.of(*parts(tmp_path, provenance))
    assert runner.proven is proven
    assert (runner.tier, runner.threads) == ("full", 2)


def test_exports_have_the_layout_of_the_recipe(tmp_path: Path) -> None:
    request, env = parts(tmp_path, "host")
    assert ExportRunner.of(request, env).channels_last
    assert ExportRunner.of(request, env).target == "raspberrypi4"
    plain = replace(request, project=project.example())
    assert not ExportRunner.of(plain, env).channels_last
