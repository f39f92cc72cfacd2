"""Faults of many samples in one line: the first by their names, and the number of the others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from edgekit.errors import DataError
from edgekit.tasks.numbered import NAMED


def listed(faults: Sequence[tuple[str, str]]) -> str:
    """The names of samples, each with its fault, up to `NAMED` of them."""
    named = "; ".join(f"{name} ({fault})" for name, fault in faults[:NAMED])
    more = f"; and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
    return f"{named}{more}"


def named(names: Sequence[object]) -> str:
    """Names in a row, up to `NAMED` of them."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(map(str, names[:NAMED]))}{more}"


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Faults of a data set's samples, noted one by one so that one error names all."""

    noted: list[tuple[str, DataError]] = field(default_factory=list)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Note the `DataError` of a sample, and go on."""
        try:
            yield
        except DataError as error:
            self.noted.append((name, error))

    def add(self, faults: Sequence[tuple[str, str]]) -> None:
        """Note what was found elsewhere: names, each with its fault."""
        self.noted.extend((name, DataError(fault)) for name, fault in faults)

    def refuse(self, what: str, fix: str = "Replace or remove them.") -> None:
        """Raise the `DataError` that was noted, or one that names all of several `what`."""
        if not self.noted:
            return
        if len(self.noted) == 1:
            raise self.noted[0][1]
        found = [(name, _short(error)) for name, error in self.noted]
        raise DataError(f"Cannot read {len(found)} {what}: {listed(found)}. {fix}")


def _short(error: DataError) -> str:
    """The reason in an error's parentheses, or its first sentence."""
    inner = re.match(r"Cannot read .*? \((.*?)\)\. ?[^()]*$", str(error))
    return inner[1] if inner else str(error).partition(". ")[0]
