"""Trials as builds: settings by key, folders by training, and figures that a report lacks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import edgekit as ek
from edgekit.api.search_builds import SearchBuilds, point_of
from edgekit.errors import MeasurementError, UsageError
from edgekit.pipeline.trials.space import parse
from edgekit.pipeline.trials.study import Asked
from tests import reports
from tests.unit.pipeline import points

SETTINGS = ("recipe.distill.epochs=8", "recipe.seed=4")
ASKED = Asked(trial=SimpleNamespace(number=5), settings=SETTINGS)


def builds(folder: Path, *settings: str, vary: str) -> SearchBuilds:
    plain = ek.build_request(points.write(folder), target="host")
    return SearchBuilds(plain, settings, parse([vary]), 2, folder / "out")


def test_a_setting_of_the_trial_replaces_the_searchs(tmp_path: Path) -> None:
    found = builds(tmp_path, "recipe.seed=3", vary="recipe.distill.epochs=4..8")
    assert found.request().project.recipe.seed == 3
    assert found.steps(ASKED) == (4, 8)
    request, folder = found.rung(ASKED, 4)
    recipe = request.project.recipe
    assert (recipe.seed, recipe.distill.epochs) == (4, 4)
    assert folder == tmp_path / "out" / "trial-5" / "epochs-4"


def test_a_key_is_not_set_and_varied(tmp_path: Path) -> None:
    vary = "recipe.distill.epochs=4..8"
    builds(tmp_path, "recipe.seed=3", vary=vary).check()
    with pytest.raises(UsageError, match="has a value and is varied"):
        builds(tmp_path, "recipe.distill.epochs=5", vary=vary).check()


def test_a_point_has_the_chosen_files_figures() -> None:
    report = reports.report()
    chosen = report.chosen
    assert chosen is not None
    point = point_of(report, ASKED, 4, "farm-2")
    assert (point.trial, point.epochs, point.settings) == (5, 4, SETTINGS)
    assert (point.artifact, point.machine) == (chosen.artifact.name, "farm-2")
    assert point.p50_ms == chosen.measurement.latency.p50_ms
    best = report.epochs[report.kept_epoch]
    assert point.validation.value == pytest.approx(best.validation)


def test_without_a_figure_to_go_by_there_is_no_point() -> None:
    report = reports.report()
    with pytest.raises(MeasurementError, match="nothing was trained"):
        point_of(replace(report, epochs=(), frontier=()), ASKED, 4)
