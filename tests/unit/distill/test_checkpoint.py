"""Checkpoints under damage and on full disks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgekit.distill.checkpoint import Checkpoints
from edgekit.errors import OutputError
from tests.unit.distill.stored import damaged, state
from tests.unit.store.test_entries import file_limit


@pytest.mark.parametrize("seed", range(70))
def test_a_damaged_checkpoint_is_named_and_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    both = [Checkpoints(tmp_path / name, 0) for name in ("one", "two")]
    for number, checkpoints in enumerate(both):
        checkpoints.write(state(number))
    changed = damaged(sorted(tmp_path.glob("*/*")), seed)
    found = [checkpoints.read() for checkpoints in both]
    assert sum(one is None for one in found) == changed == len(caplog.records)
    for number, one in enumerate(found):
        if one is not None:
            assert one["epochs"] == state(number)["epochs"]
            assert torch.equal(
                one["trainer"]["weights"], state(number)["trainer"]["weights"]
            )
    for checkpoints in both:
        checkpoints.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_another_training_is_not_taken(tmp_path: Path) -> None:
    Checkpoints(tmp_path / "one", 0).write(state(1))
    (tmp_path / "one").rename(tmp_path / "two")
    assert Checkpoints(tmp_path / "two", 0).read() is None


def test_the_older_of_two_serves_where_the_newer_is_damaged(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "one", 0)
    checkpoints.write(state(1))
    [older] = (tmp_path / "one").iterdir()
    content = older.read_bytes()
    checkpoints.write(state(2))
    [newer] = (tmp_path / "one").iterdir()
    older.write_bytes(content)
    newer.write_bytes(b"half")
    found = checkpoints.read()
    assert found is not None and found["epochs"] == state(1)["epochs"]


def test_a_full_disk_keeps_the_checkpoint_that_was_there(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "one", 0)
    checkpoints.write(state(1))
    large = {"weights": torch.zeros(1 << 16), "epochs": []}
    with file_limit(1 << 14), pytest.raises(OutputError, match=str(tmp_path / "one")):
        checkpoints.write(large)
    found = checkpoints.read()
    assert found is not None and found["epochs"] == state(1)["epochs"]
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
