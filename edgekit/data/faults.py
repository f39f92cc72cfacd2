"""Faults of many samples in one line: the first by their names, and the number of the others."""

from __future__ import annotations

from collections.abc import Sequence

NAMED = 5
"""Samples that an error names."""


def listed(faults: Sequence[tuple[str, str]]) -> str:
    """The names of samples, each with its fault, up to `NAMED` of them."""
    named = "; ".join(f"{name} ({fault})" for name, fault in faults[:NAMED])
    more = f"; and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
    return f"{named}{more}"
