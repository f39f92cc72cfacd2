"""Checkpoints and kept outputs under damage: made again with a line, never other data."""

from __future__ import annotations

import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor

from edgekit.distill.checkpoint import Checkpoints, State
from edgekit.distill.teacher import CHUNK, KeptOutputs
from edgekit.errors import OutputError

COUNT = 2 * CHUNK + 40
_ZEROS = 3
EXAMPLE = torch.zeros(1, 5)


def damaged(files: list[Path], seed: int) -> bool:
    """Whether one of the files was changed."""
    draw = random.Random(seed)
    victim = draw.choice(files)
    before = victim.read_bytes()
    data = bytearray(before)
    at = draw.randrange(len(data))
    kind = seed % 7
    if kind == 0:
        data[at] ^= 1 << draw.randrange(8)
    elif kind == 1:
        data[at : at + 16] = draw.randbytes(len(data[at : at + 16]))
    elif kind == 2:
        del data[at:]
    elif kind == _ZEROS:
        page = at // 4096 * 4096
        data[page : page + 4096] = bytes(len(data[page : page + 4096]))
    elif kind == 4:
        data.clear()
    elif kind == 5:
        data += draw.randbytes(100)
    else:
        alike = [f for f in files if f.name == victim.name and f != victim]
        data = bytearray(draw.choice(alike or [victim]).read_bytes())
    victim.write_bytes(data)
    return bytes(data) != before


def answers(seed: int) -> Tensor:
    return torch.randn(COUNT, 5, generator=torch.Generator().manual_seed(seed))


def filled(folder: Path, seed: int) -> tuple[KeptOutputs, int]:
    """All answers of a teacher, and how many chunks were computed for them."""
    kept = KeptOutputs(folder, COUNT, EXAMPLE)
    missing = kept.missing()
    for chunk in missing:
        kept.keep(chunk, answers(seed)[chunk])
    return kept, len(missing)


@pytest.mark.parametrize("seed", range(70))
def test_damaged_outputs_are_computed_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for number, folder in enumerate(folders):
        assert filled(folder, number)[1] == 3
        assert filled(folder, number)[1] == 0
    files = sorted(file for folder in folders for file in folder.iterdir())
    changed = damaged(files, seed)
    again = [filled(folder, number) for number, folder in enumerate(folders)]
    assert bool(sum(computed for _, computed in again)) == changed
    # Digests that are zeros are of chunks that nobody has computed: nothing to speak of.
    assert bool(caplog.records) == changed or seed % 7 == _ZEROS
    for number, (kept, _) in enumerate(again):
        assert torch.equal(kept.take(torch.arange(COUNT)), answers(number))


def test_a_chunk_that_somebody_was_killed_in_is_computed_again(tmp_path: Path) -> None:
    kept, _ = filled(tmp_path / "one", 0)
    kept._values[CHUNK] += 1  # written, and its digest is not
    kept, computed = filled(tmp_path / "one", 0)
    assert computed == 1
    assert torch.equal(kept.take(torch.arange(COUNT)), answers(0))


# --- checkpoints ------------------------------------------------------------------------------


def state(seed: int) -> State:
    weights = torch.randn(64, generator=torch.Generator().manual_seed(seed))
    return {"epochs": [{"number": seed}], "lesson": {"weights": weights}}


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
                one["lesson"]["weights"], state(number)["lesson"]["weights"]
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


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_keeps_the_checkpoint_that_was_there(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "one", 0)
    checkpoints.write(state(1))
    large = {"weights": torch.zeros(1 << 16), "epochs": []}
    with file_limit(1 << 14), pytest.raises(OutputError, match=str(tmp_path / "one")):
        checkpoints.write(large)
    found = checkpoints.read()
    assert found is not None and found["epochs"] == state(1)["epochs"]
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_full_disk_leaves_no_half_outputs(tmp_path: Path) -> None:
    with file_limit(256), pytest.raises(OutputError, match=str(tmp_path)):
        KeptOutputs(tmp_path / "one", COUNT, EXAMPLE)
    assert list((tmp_path / "one").iterdir()) == []
