"""Samples that code of their author's cannot give: several are named at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from edgekit.data.faults import listed
from edgekit.errors import DataError, signal_behind
from edgekit.safe_io import reason
from edgekit.tasks.numbered import NAMED


@dataclass(frozen=True, kw_only=True)
class FailedSamples:
    """Noted as they are read, up to `NAMED` of them."""

    origin: str
    noted: list[tuple[int, Exception]] = field(default_factory=list)

    @contextmanager
    def of(self, number: int) -> Iterator[None]:
        """Note the error of a sample, and go on; raises where more than `NAMED` were noted."""
        try:
            yield
        except Exception as error:  # of the author's code, of any kind
            if signal_behind(error) is not None:
                raise
            self.noted.append((number, error))
        if len(self.noted) > NAMED:
            self.refuse(number + 1)

    def refuse(self, read: int) -> None:
        """Raise `DataError` that names what was noted among the samples `read` so far.

        A single error, and that of a loader which gave no sample at all, are raised as they are.
        """
        if not self.noted:
            return
        if len(self.noted) in (1, read):
            raise self.noted[0][1]
        found = [(f"sample {number}", reason(error)) for number, error in self.noted]
        count = f"more than {NAMED}" if len(found) > NAMED else f"{len(found)}"
        raise DataError(
            f"{self.origin} fails for {count} samples: {listed(found[:NAMED])}. Correct them, or "
            "leave them out."
        )
