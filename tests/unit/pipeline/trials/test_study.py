"""Trials in SQLite: none that ended is lost, an interrupted one comes again."""

from __future__ import annotations

import importlib.util
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from edgekit.errors import OutputError, RuntimeMissing
from edgekit.pipeline.trials.space import Parameter, parse
from edgekit.pipeline.trials.study import FILE, Asked, Study, opened
from tests.unit.pipeline.trials.points import point

OPTUNA = importlib.util.find_spec("optuna") is not None
needs_optuna = pytest.mark.skipif(not OPTUNA, reason="pip install 'edgekit[search]'")
VARIED = parse(["budget.speedup=2..8.0", "recipe.distill.optimizer=sgd|adamw"])
OF = {"project": "digits", "target": "raspberrypi4"}


def study(
    folder: Path, of: dict[str, str] = OF, varied: tuple[Parameter, ...] = VARIED
) -> AbstractContextManager[Study]:
    return opened(folder, varied, of, seed=0)


def asked(there: Study) -> Asked:
    found = there.ask()
    assert found, "settings are left"
    return found


@pytest.fixture
def three(tmp_path: Path) -> list[tuple[str, ...]]:
    """The settings of two trials that ended, and of one that was interrupted at its first
    point."""
    settings = []
    with study(tmp_path) as first:
        for number in range(3):
            trial = asked(first)
            settings.append(trial.settings)
            points = [point(1.0 + number, 0.5, trial=trial.number)]
            first.keep(trial, points)
            if number == 0:
                first.finish(trial, points)
            elif number == 1:
                first.fail(trial, "no network inside the budget")
    return settings


@needs_optuna
def test_a_study_goes_on(tmp_path: Path, three: list[tuple[str, ...]]) -> None:
    with study(tmp_path) as again:
        assert again.ended == 2 and again.interrupted
        assert [one.trial for one in again.points()] == [0, 1]
        [failed] = again.failed()
        assert (failed.trial, failed.settings) == (1, three[1])
        assert failed.error == "no network inside the budget"
        repeated = asked(again)
        assert repeated.settings == three[2] and repeated.number == 2
        again.finish(repeated, [point(3.0, 0.6, trial=2)])
        assert again.ended == 3 and not again.interrupted
        assert [one.trial for one in again.points()] == [0, 1, 2]
        drawn = asked(again)
        assert drawn.number == 3
        assert drawn.settings not in three, "a seed draws the same again"


@needs_optuna
def test_a_trial_that_was_killed_while_it_was_drawn_goes_on(tmp_path: Path) -> None:
    with study(tmp_path) as first:
        trial = first._study.ask()
        speedup = VARIED[0].suggest(trial)
    with study(tmp_path) as again:
        assert again.ended == 0 and again.interrupted
        repeated = asked(again)
        assert repeated.number == 0 and repeated.settings[0] == speedup


@needs_optuna
def test_settings_are_tried_once(tmp_path: Path) -> None:
    few = parse(["recipe.distill.optimizer=sgd|adamw", "recipe.seed=0|1"])
    found = set()
    with study(tmp_path, varied=few) as there:
        while (trial := there.ask()) is not None:
            assert trial.settings not in found
            found.add(trial.settings)
            there.finish(trial, [point(1.0, 0.5, trial=trial.number)])
        assert there.ended == len(found) == 4


@needs_optuna
@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"project": "words"}, "another project: digits, and not words"),
        ({"target": "host"}, "another target: raspberrypi4, and not host"),
    ],
)
def test_another_search_is_named_and_not_mixed(
    tmp_path: Path, three: object, changed: dict[str, str], expected: str
) -> None:
    with (
        pytest.raises(OutputError, match=rf"trials\.db .*{expected}\. .*--out"),
        study(tmp_path, of=OF | changed),
    ):
        pass
    with study(tmp_path) as own:
        assert own.ended == 2


@needs_optuna
def test_a_file_that_is_lost_meanwhile_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"trials\.db cannot be written any more"),
        study(tmp_path / "out") as there,
    ):
        shutil.rmtree(tmp_path / "out")
        there.ask()


@needs_optuna
def test_a_file_of_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("not a database of trials at all")
    with (
        pytest.raises(OutputError, match=r"trials\.db cannot be used .* --out"),
        study(tmp_path),
    ):
        pass


@pytest.mark.skipif(OPTUNA, reason="Optuna is installed")
def test_without_optuna_the_extra_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeMissing, match=r"pip install 'edgekit\[search\]'"),
        study(tmp_path),
    ):
        pass
