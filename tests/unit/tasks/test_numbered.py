"""Samples by their numbers, in errors."""

from __future__ import annotations

import numpy as np

from edgekit.tasks import numbered


def test_samples_are_named_up_to_a_bound() -> None:
    assert numbered.samples([7]) == "sample 7"
    assert numbered.samples([1, 4], "row") == "rows 1 and 4"
    assert numbered.samples(range(9)) == "samples 0, 1, 2, 3, 4 and 4 more"


def test_odd_samples_of_an_array() -> None:
    odd = np.zeros((4, 2, 3), bool)
    odd[1, 0, 2] = odd[3, 1] = True
    assert numbered.within(odd) == " in samples 1 and 3"
    assert numbered.within(odd[1:2]) == "", "the error names the sample"


def test_those_that_are_not_as_most_are() -> None:
    assert numbered.unlike("aabab") == [2, 4]
    assert numbered.unlike("") == numbered.unlike("aaa") == []
