"""Faults of many samples in one line."""

from __future__ import annotations

import pytest

from edgekit.data.faults import Faults, listed, named
from edgekit.errors import DataError
from edgekit.tasks.numbered import NAMED


def test_the_first_are_named_and_the_others_counted() -> None:
    faults = [(f"{number}.png", "torn") for number in range(NAMED + 2)]
    assert listed(faults[:1]) == "0.png (torn)"
    assert listed(faults[:NAMED]).endswith("3.png (torn); 4.png (torn)")
    assert listed(faults).endswith("4.png (torn); and 2 more")


def test_a_single_fault_keeps_its_words_and_several_are_one_error() -> None:
    faults = Faults()
    faults.refuse("texts")
    with faults.of("a.txt"):
        raise DataError("Cannot read /x/a.txt (line 2 is not UTF-8 text). Save it so.")
    with pytest.raises(DataError, match=r"^Cannot read /x/a\.txt .* Save it so\.$"):
        faults.refuse("texts")
    faults.add([("b.txt", "torn")])
    with faults.of("c.txt"):
        raise DataError("/x/c.txt is empty. Fill it.")
    with pytest.raises(DataError) as caught:
        faults.refuse("texts")
    assert str(caught.value) == (
        "Cannot read 3 texts: a.txt (line 2 is not UTF-8 text); b.txt (torn); "
        "c.txt (/x/c.txt is empty). Replace or remove them."
    )


def test_names_in_a_row_are_bounded() -> None:
    assert named("ab") == "a, b"
    assert named(range(NAMED + 2)) == "0, 1, 2, 3, 4 and 2 more"
