"""Settings that a search varies."""

from __future__ import annotations

import pytest

from edgekit.errors import UsageError
from edgekit.pipeline.trials.space import parse


class Middle:
    """A trial that takes the first of each, and notes how it was drawn."""

    def __init__(self) -> None:
        self.log: dict[str, bool] = {}

    def suggest_categorical(self, name: str, choices: tuple[str, ...]) -> str:
        return choices[0]

    def suggest_int(self, name: str, low: int, high: int, *, log: bool) -> int:
        self.log[name] = log
        return low

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        self.log[name] = log
        return low


def test_ranges_and_choices_become_settings() -> None:
    lines = [
        "budget.speedup=2.0..8",
        "recipe.distill.epochs = 4..20",
        "recipe.distill.learning_rate=1e-3..0.1",
        "model.input.shape=[3,16,16]|[3,24,24]",
    ]
    found, trial = parse(lines), Middle()
    assert [one.suggest(trial) for one in found] == [
        "budget.speedup=2",
        "recipe.distill.epochs=4",
        "recipe.distill.learning_rate=0.001",
        "model.input.shape=[3,16,16]",
    ]
    assert trial.log == {
        "budget.speedup": False,
        "recipe.distill.epochs": False,
        "recipe.distill.learning_rate": True,
    }
    assert parse([one.text for one in found]) == found


def test_the_ends_of_a_range_and_every_choice_can_be_tried() -> None:
    found = parse(["recipe.distill.epochs=4..20", "budget.speedup=2..4.5", "a.b=x|y"])
    assert [one.ends for one in found] == [
        ("recipe.distill.epochs=4", "recipe.distill.epochs=20"),
        ("budget.speedup=2.0", "budget.speedup=4.5"),
        ("a.b=x", "a.b=y"),
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], "Nothing is varied"),
        (["budget.speedup"], "write it as KEY=LOW"),
        (["=2..3"], "write it as KEY=LOW"),
        (["budget.speedup=3..2"], "3 is not below 2"),
        (["budget.speedup=2..2"], "2 is not below 2"),
        (["budget.speedup=1.2.3..4"], "'1.2.3' is not a number"),
        (["budget.speedup=2"], "several different values"),
        (["recipe.distill.optimizer=sgd|sgd"], "several different values"),
        (["budget.speedup=2..3", "budget.speedup=4..5"], "is there twice"),
    ],
)
def test_another_form_is_refused(lines: list[str], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        parse(lines)
