"""The zoo: architectures that must all be pruned exactly. Random weights, nothing downloaded."""

from __future__ import annotations

from tests.zoo import dense, sequence, transformer, vision
from tests.zoo.entry import Entry

ZOO: dict[str, Entry] = (
    vision.ENTRIES | dense.ENTRIES | sequence.ENTRIES | transformer.ENTRIES
)
