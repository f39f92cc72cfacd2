"""The union of notes has every class that has a kind, each kind once."""

from __future__ import annotations

from collections.abc import Iterator

from edgekit.types import data_notes, export_notes, notes
from edgekit.types.notes import NOTES, CutInSteps, LossesAdded, SpeedupAssumed, unique


def declared() -> Iterator[type]:
    """Every class of the notes' modules that has a `kind`."""
    for module in (notes, data_notes, export_notes):
        for one in vars(module).values():
            fields = getattr(one, "__dataclass_fields__", {})
            if "kind" in fields and one.__module__ == module.__name__:
                yield one


def test_no_class_with_a_kind_is_outside_of_the_union() -> None:
    assert set(declared()) == set(NOTES)


def test_no_kind_is_there_twice() -> None:
    kinds = [one.kind for one in NOTES]
    assert sorted(kinds) == sorted(set(kinds))


def test_each_note_is_kept_once_and_in_order_whatever_its_values() -> None:
    losses, speed = LossesAdded(weights={"dist": 0.5}), SpeedupAssumed(speedup=2.0)
    again = LossesAdded(weights={"dist": 0.5})
    steps = CutInSteps(steps=2)
    assert unique([losses, speed, again, steps, speed]) == (losses, speed, steps)
