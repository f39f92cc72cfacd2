"""The zoo: architectures that must all be pruned exactly. Random weights, nothing downloaded."""

from __future__ import annotations

from tests.zoo import (
    dense,
    reported_forms,
    reported_sequence,
    reported_shared,
    reported_vision,
    sequence,
    strange_channels,
    strange_sequence,
    strange_vision,
    transformer,
    vision,
)
from tests.zoo.entry import Entry

ZOO: dict[str, Entry] = (
    vision.ENTRIES | dense.ENTRIES | sequence.ENTRIES | transformer.ENTRIES
)

REPORTED: dict[str, Entry] = (
    reported_vision.ENTRIES
    | reported_shared.ENTRIES
    | reported_sequence.ENTRIES
    | reported_forms.ENTRIES
)
"""Small networks after what people report: each cut exactly, or refused by name."""

STRANGE: dict[str, Entry] = (
    strange_vision.ENTRIES | strange_channels.ENTRIES | strange_sequence.ENTRIES
)
"""Small networks that use operators in ways that are rare."""

EVERY: dict[str, Entry] = ZOO | REPORTED | STRANGE
