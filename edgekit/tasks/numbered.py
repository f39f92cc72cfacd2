"""Samples by their numbers, in errors: all of a data set's at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAMED = 5
"""Samples that an error names."""


def samples(numbers: Sequence[int], what: str = "sample") -> str:
    """`sample 3`, or `samples 3, 5 and 9`, the first of them and the number of the others."""
    first = [str(number) for number in numbers[:NAMED]]
    if len(numbers) == 1:
        return f"{what} {first[0]}"
    if len(numbers) > NAMED:
        return f"{what}s {', '.join(first)} and {len(numbers) - NAMED} more"
    return f"{what}s {', '.join(first[:-1])} and {first[-1]}"


def unlike(forms: Sequence[Hashable]) -> list[int]:
    """The numbers of those that are not as most are."""
    if len(set(forms)) < 2:
        return []
    usual = Counter(forms).most_common(1)[0][0]
    return [number for number, form in enumerate(forms) if form != usual]


def within(odd: NDArray[Any]) -> str:
    """` in samples 3 and 5`: those of an array (n, ...) in which anything is true.

    Empty of a single sample: the error names it.
    """
    if len(odd) == 1:
        return ""
    rows = odd.reshape(len(odd), -1).any(1)
    return f" in {samples(np.flatnonzero(rows).tolist())}"
