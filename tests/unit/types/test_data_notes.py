"""Notes about the network and its data are notes of a build."""

from __future__ import annotations

from typing import get_args

from edgekit.types.data_notes import DataNote
from edgekit.types.notes import NOTES


def test_every_kind_is_one_of_a_build() -> None:
    assert set(get_args(DataNote)) < set(NOTES)
