"""Samples that a loader cannot give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from edgekit import data
from edgekit.data.failed_samples import FailedSamples
from edgekit.errors import DataError, Terminated
from edgekit.tasks.numbered import NAMED
from edgekit.types import InputSpec, Preprocess

LOADER = """
import numpy as np

BAD = {bad}

class Samples:
    def __len__(self):
        return 20

    def __getitem__(self, number):
        if number in BAD:
            raise ValueError(f"no picture {{number}}")
        return np.zeros({shape}, np.float32), {label}

def train():
    return Samples()
"""


def said(
    root: Path, bad: Sequence[int], shape: str = "8", label: str = "number % 2"
) -> str:
    text = LOADER.format(bad=list(bad), shape=shape, label=label)
    (root / "loader.py").write_text(text)
    with pytest.raises(DataError) as caught:
        data.load(
            "loader.py:train",
            root=root,
            input=InputSpec(shape=(8,)),
            preprocess=Preprocess(),
        )
    return str(caught.value)


@pytest.mark.parametrize("bad", [(3, 7, 19), (0, 1, 9)])
def test_several_are_named_at_once(bad: tuple[int, ...], tmp_path: Path) -> None:
    error = said(tmp_path, bad)
    assert "fails for 3 samples: " in error
    assert all(f"sample {number} (no picture {number})" in error for number in bad)


def test_one_has_its_place_in_the_code(tmp_path: Path) -> None:
    assert "loader.py:12" in said(tmp_path, [4])


def test_a_loader_that_gives_nothing_has_its_place_in_the_code(tmp_path: Path) -> None:
    error = said(tmp_path, range(20))
    assert "loader.py:12" in error and "picture 0" in error and "picture 1" not in error


def test_the_number_is_bounded(tmp_path: Path) -> None:
    error = said(tmp_path, range(1, 20))
    assert f"more than {NAMED} samples" in error and f"picture {NAMED + 1}" not in error


def test_odd_shapes_and_missing_labels_are_numbered(tmp_path: Path) -> None:
    error = said(tmp_path, [], shape="9 if number in (2, 5, 11) else 8")
    assert "samples 2, 5 and 11" in error
    error = said(tmp_path, [], label="None if number in (2, 5, 11) else 1")
    assert "no label in samples 2, 5 and 11" in error
    error = said(tmp_path, [], label="np.zeros(3 if number in (2, 5, 11) else 2)")
    assert "samples 2, 5 and 11" in error


def test_an_interruption_is_none_of_them() -> None:
    failed = FailedSamples(origin="loader.py:train")
    with pytest.raises(RuntimeError), failed.of(0):
        raise RuntimeError("stopped") from Terminated(15)
    assert not failed.noted
