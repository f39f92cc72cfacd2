"""Targets by number, wherever they lie."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.data import memory
from edgekit.data.read_ahead import read_ahead
from edgekit.data.stored_targets import BoxRows, HeldTargets
from edgekit.types import InputSpec, Preprocess
from tests.unit.data.test_load import load

SIDE = 96


@contextmanager
def peak() -> Iterator[list[int]]:
    """Most bytes of arrays and objects that were made meanwhile."""
    found: list[int] = []
    tracemalloc.start()
    yield found
    found.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()


def masked(root: Path, count: int) -> Path:
    """Images with masks, each a file with two names or more."""
    generator = np.random.default_rng(0)
    for place in ("images", "masks"):
        (root / place).mkdir(parents=True)
    values = generator.integers(0, 3, (SIDE, SIDE), np.uint8)
    Image.fromarray(values).save(root / "mask.png")
    Image.fromarray(values).save(root / "image.png")
    for number in range(count):
        (root / f"images/{number:05}.png").hardlink_to(root / "image.png")
        (root / f"masks/{number:05}.png").hardlink_to(root / "mask.png")
    return root


def test_boxes_are_padded_when_they_are_read() -> None:
    boxes = [np.array([[1, 2, 3, 4, 0]]), np.empty((0, 5)), np.ones((2, 5))]
    stored = BoxRows.of(boxes)
    assert stored.shape == (3, 2, 5) and stored.dtype == np.float32
    found = stored.read(np.array([2, 0, 1]))
    assert found[0].tolist() == [[1] * 5, [1] * 5]
    assert found[1].tolist() == [[1, 2, 3, 4, 0], [0, 0, 0, 0, -1]]
    assert (found[2, :, 4] == -1).all()
    assert stored.rows.nbytes == 3 * 20


def test_no_image_has_a_box() -> None:
    stored = BoxRows.of([np.empty((0, 5)), np.empty((0, 5))])
    assert stored.shape == (2, 1, 5)
    assert (stored.read(np.arange(2))[..., 4] == -1).all()


def test_digests_follow_values_and_samples() -> None:
    boxes = [np.ones((1, 5)), np.zeros((1, 5))]
    for one, other in (
        (BoxRows.of(boxes), BoxRows.of(boxes[::-1])),
        (HeldTargets(values=np.arange(2)), HeldTargets(values=np.arange(2)[::-1])),
    ):
        every = np.arange(2)
        assert one.digest(every) == one.digest(every)
        assert one.digest(every) == other.digest(every[::-1])
        assert one.digest(every) != other.digest(every)


@pytest.mark.slow
def test_memory_stays_flat_over_any_number_of_masks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 1,536 it is that of 128; kept, the others would take 25 MiB."""
    monkeypatch.setattr(memory, "MEMORY", 0)
    how = {
        "input": InputSpec(shape=(1, SIDE, SIDE)),
        "preprocess": Preprocess(),
        "kind": "segmentation",
    }
    peaks = []
    for count in (128, 1536):
        root = masked(tmp_path / str(count), count)
        with peak() as most:
            data = load(str(count), tmp_path, **how)
            parts = np.array_split(np.arange(count), count // 32)
            for number in range(len(parts)):
                _, targets = data.feeds(parts[number])
                assert targets.shape == (32, SIDE, SIDE)
                gc.collect()  # images in cycles, which others may hold back for long
            assert data.labeled and data.fingerprint()
        peaks += most
        assert root.exists()
    mask = SIDE * SIDE * 2
    assert peaks[1] - peaks[0] < 0.3 * 1408 * mask


def test_masks_are_the_same_from_files_and_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    masked(tmp_path / "set", 12)
    how = {
        "input": InputSpec(shape=(1, 40, 64)),
        "preprocess": Preprocess(fit="letterbox"),
        "kind": "segmentation",
    }
    held = load("set", tmp_path, **how)
    monkeypatch.setattr(memory, "MEMORY", 0)
    stored = load("set", tmp_path, **how)
    assert stored.targets_by_workers and not held.targets_by_workers
    assert stored.target_shape == held.target_shape == (40, 64)
    np.testing.assert_array_equal(stored.targets, held.targets)
    assert (held.targets[:, :, :12] == -1).all() and (
        held.targets[:, :, 12:52] >= 0
    ).all()
    parts = [np.array([3, 1]), np.array([7]), np.array([0, 11])]
    for (_, ours), part in zip(read_ahead(stored, parts), parts, strict=True):
        np.testing.assert_array_equal(ours, held.targets[part])
