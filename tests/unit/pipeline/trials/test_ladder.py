"""Trials on their way from rung to rung, several at once, by an objective that is arithmetic."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import ProjectError
from edgekit.pipeline.trials import halving
from edgekit.pipeline.trials.ladder import Ladder, Rung
from edgekit.pipeline.trials.space import Parameter, parse
from edgekit.pipeline.trials.study import Asked, Study, opened
from edgekit.progress import Silent
from edgekit.types.search import SearchPoint
from tests.unit.pipeline.trials.points import point

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("optuna") is None, reason="pip install 'edgekit[search]'"
)
VARIED = parse(["budget.speedup=2.0..8.0", "recipe.distill.epochs=8..40"])
STEPS = (2, 4, 8)


@contextmanager
def climbing(
    folder: Path, trials: int, varied: tuple[Parameter, ...] = VARIED
) -> Iterator[tuple[Ladder, Study]]:
    with opened(folder, varied, {"project": "digits"}, seed=0) as study:
        yield (
            Ladder(study, trials=trials, steps=lambda _: STEPS, progress=Silent()),
            study,
        )


def measured(rung: Rung) -> SearchPoint:
    """Faster networks are less accurate, longer trainings better, and one recipe is the best."""
    values = [float(one.partition("=")[2]) for one in rung.asked.settings]
    speedup, epochs = (*values, 20.0)[:2]
    accuracy = 0.9 - 0.01 * (speedup - 2) - 0.02 * abs(epochs - 20) - 0.2 / rung.epochs
    made = point(1 / speedup, accuracy, trial=rung.asked.number, epochs=rung.epochs)
    return replace(made, settings=rung.asked.settings)


def through(ladder: Ladder, jobs: int, seed: int) -> list[Rung]:
    """Every rung, where up to `jobs` trials are under way and end in any order."""
    drawn, running, ran = random.Random(seed), list[Rung](), list[Rung]()
    while True:
        running += ladder.ask(jobs - len(running))
        assert len(running) == ladder.under_way <= jobs
        if not running:
            return ran
        ended = running.pop(drawn.randrange(len(running)))
        ran.append(ended)
        following = ladder.tell(ended, measured(ended), trained=True)
        running += [following] if following else []


@pytest.mark.parametrize("jobs", [1, 3])
def test_trials_end_once_in_whatever_order(tmp_path: Path, jobs: int) -> None:
    with climbing(tmp_path, 9) as (ladder, study):
        ran = through(ladder, jobs, seed=1)
        assert study.ended == 9 and ladder.under_way == 0
        each = [(rung.asked.number, rung.epochs) for rung in ran]
        assert len(each) == len({*each})
        assert {trial for trial, _ in each} == {*range(9)}
        assert len({rung.asked.settings for rung in ran}) == 9
        assert sorted((one.trial, one.epochs) for one in study.points()) == sorted(each)
        longest = [epochs for _, epochs in each]
        assert longest.count(8) < 9 and longest.count(8) >= 1, "some stop early"
        assert halving.frontier(study.points())


def test_one_at_a_time_asks_for_what_it_always_did(tmp_path: Path) -> None:
    """The draws of a plain sequence of requests and ends, without anything else under way."""
    with climbing(tmp_path / "one", 8) as (ladder, _):
        ran = through(ladder, 1, seed=0)
    by_trial = {rung.asked.number: rung for rung in ran}
    with opened(tmp_path / "other", VARIED, {"project": "digits"}, seed=0) as study:
        for number in range(8):
            asked = study.ask()
            assert asked is not None
            assert asked.settings == by_trial[number].asked.settings
            study.finish(asked, [measured(by_trial[number])])


def test_trials_under_way_are_drawn_apart_from(tmp_path: Path) -> None:
    """The next draw is another one for the others that run: the sampler counts them as poor."""

    def next_draw(name: str, *, wait: bool) -> tuple[str, ...]:
        with climbing(tmp_path / name, 20) as (ladder, _):
            for _ in range(8):
                [rung] = ladder.ask(1)
                while rung and (
                    after := ladder.tell(rung, measured(rung), trained=True)
                ):
                    rung = after
            begun = ladder.ask(3)
            assert len({rung.asked.settings for rung in begun}) == 3
            if wait:
                for rung in begun[:2]:
                    ladder.fail(rung.asked, "it diverged")
            [drawn] = ladder.ask(1)
            return drawn.asked.settings

    assert next_draw("beside", wait=False) != next_draw("after", wait=True)


def test_all_that_were_under_way_are_taken_up_again(tmp_path: Path) -> None:
    with climbing(tmp_path, 6) as (ladder, study):
        first, second, third = ladder.ask(3)
        following = ladder.tell(first, measured(first), trained=True)
        assert following is not None and following.epochs == 4
        ladder.fail(third.asked, "no network inside the budget")
        assert study.ended == 1
    with climbing(tmp_path, 6) as (ladder, study):
        assert study.interrupted == 2 and study.points() == ()
        again = ladder.ask(3)
        assert study.interrupted == 0
        assert [rung.asked.number for rung in again] == [0, 1, 3]
        before = [rung.asked.settings for rung in (first, second)]
        assert [rung.asked.settings for rung in again[:2]] == before
        assert [rung.number for rung in again] == [0, 0, 0]
        assert study.ended + ladder.under_way == 4


def test_none_begins_after_failures_until_there_is_a_network(tmp_path: Path) -> None:
    with climbing(tmp_path, 9) as (ladder, study):
        *bad, good = ladder.ask(4)
        for rung in bad:
            assert ladder.ask(0) == []
            ladder.fail(rung.asked, "no network inside the budget")
        assert len(study.failed()) == 3 and ladder.ask(2) == []
        assert ladder.tell(good, measured(good), trained=True) is not None
        assert len(ladder.ask(2)) == 2


def test_a_search_that_only_failed_goes_on_when_it_runs_again(tmp_path: Path) -> None:
    """A loader, a package or a disk may be mended meanwhile."""
    with climbing(tmp_path, 9) as (ladder, _):
        for rung in ladder.ask(3):
            ladder.fail(rung.asked, "no module named loader")
        assert ladder.ask(2) == []
    with climbing(tmp_path, 9) as (ladder, study):
        assert len(study.failed()) == 3 and len(ladder.ask(2)) == 2


def test_points_of_unfinished_trials_count(tmp_path: Path) -> None:
    with climbing(tmp_path, 4) as (ladder, _):
        first, second = ladder.ask(2)
        good = point(0.1, 0.9, trial=0, epochs=2)
        assert ladder.tell(first, good, trained=True) is not None
        poor = point(0.5, 0.1, trial=1, epochs=2)
        assert ladder.tell(second, poor, trained=True) is None


def test_what_cannot_be_trained_ends_at_its_first_rung(tmp_path: Path) -> None:
    with climbing(tmp_path, 1) as (ladder, study):
        [rung] = ladder.ask(1)
        assert ladder.tell(rung, measured(rung), trained=False) is None
        assert study.ended == 1


def test_settings_that_exclude_each_other_end_their_trial_alone(tmp_path: Path) -> None:
    def steps(asked: Asked) -> tuple[int, ...]:
        if asked.number == 0:
            raise ProjectError("they exclude each other")
        return STEPS

    with opened(tmp_path, VARIED, {"project": "digits"}, seed=0) as study:
        ladder = Ladder(study, trials=3, steps=steps, progress=Silent())
        begun = ladder.ask(5)
        assert [rung.asked.number for rung in begun] == [1, 2]
        [failed] = study.failed()
        assert failed.error == "they exclude each other"


def test_where_no_settings_are_left_the_others_go_on(tmp_path: Path) -> None:
    few = parse(["budget.speedup=2|3|4"])
    with climbing(tmp_path, 9, few) as (ladder, study):
        through(ladder, 2, seed=0)
        assert study.ended == 3
