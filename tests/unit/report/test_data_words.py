"""Words of notes about the network and its data."""

from __future__ import annotations

import pytest

from edgekit.report.data_words import data_words
from edgekit.types.data_notes import ImagesConverted


@pytest.mark.parametrize(("mode", "word"), [("RGBA", "alpha"), ("CMYK", "profile")])
def test_what_a_mode_loses_is_named(mode: str, word: str) -> None:
    note = ImagesConverted(place="train", images=1, of=2, mode=mode, color="rgb")
    assert word in data_words(note)
