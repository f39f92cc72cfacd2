"""The settings that a search varies, each over a range or among choices."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.errors import UsageError

_RANGE = re.compile(r"(-?[\d.]+(?:e-?\d+)?)\.\.(-?[\d.]+(?:e-?\d+)?)", re.IGNORECASE)
_FORMS = "KEY=LOW..HIGH or KEY=one|another"
LOG_RATIO = 10.0
"""High over low from which a range is searched by its logarithm."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One setting: numbers between two, or some values."""

    key: str
    """Of `edgekit.toml`: `recipe.distill.learning_rate`."""
    choices: tuple[str, ...] = ()
    """Values as `--set` takes them; empty for a range."""
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    """True where a range has whole numbers."""

    @property
    def text(self) -> str:
        """The parameter as `parse` reads it."""
        if self.choices:
            return f"{self.key}={'|'.join(self.choices)}"
        kind = int if self.whole else float
        return f"{self.key}={kind(self.low)}..{kind(self.high)}"

    @property
    def ends(self) -> tuple[str, ...]:
        """Settings of every choice, or of both ends of the range."""
        kind = int if self.whole else float
        values = self.choices or (str(kind(self.low)), str(kind(self.high)))
        return tuple(f"{self.key}={value}" for value in values)

    def suggest(self, trial: Any) -> str:
        """The setting of a trial of Optuna."""
        if self.choices:
            return f"{self.key}={trial.suggest_categorical(self.key, self.choices)}"
        log = self.low > 0 and self.high / self.low >= LOG_RATIO
        if self.whole:
            low, high = int(self.low), int(self.high)
            return f"{self.key}={trial.suggest_int(self.key, low, high, log=log)}"
        value = trial.suggest_float(self.key, self.low, self.high, log=log)
        return f"{self.key}={value:.6g}"


def parse(lines: Sequence[str]) -> tuple[Parameter, ...]:
    """The parameters of a search; raises `UsageError` for a line of another form."""
    found = tuple(map(_parsed, lines))
    if not found:
        raise UsageError(f"Nothing is varied. Add --vary {_FORMS}.")
    for one in found:
        if sum(other.key == one.key for other in found) > 1:
            raise UsageError(f"--vary {one.key} is there twice. Leave one out.")
    return found


def _parsed(line: str) -> Parameter:
    key, equals, values = (part.strip() for part in line.partition("="))
    if not (key and equals and values):
        raise UsageError(f"--vary {line}: write it as {_FORMS}.")
    numbers = _RANGE.fullmatch(values)
    if numbers is None:
        choices = tuple(value.strip() for value in values.split("|"))
        if len(choices) < 2 or not all(choices) or len({*choices}) < len(choices):
            raise UsageError(
                f"--vary {line}: a search needs a range or several different values. "
                f"Write it as {_FORMS}."
            )
        return Parameter(key=key, choices=choices)
    low, high = (_number(text, line) for text in numbers.groups())
    if not low < high:
        raise UsageError(f"--vary {line}: {low:g} is not below {high:g}.")
    whole = all(re.fullmatch(r"-?\d+", text) for text in numbers.groups())
    return Parameter(key=key, low=low, high=high, whole=whole)


def _number(text: str, line: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"--vary {line}: '{text}' is not a number.")
    return value
