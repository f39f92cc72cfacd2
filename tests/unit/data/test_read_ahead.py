"""Samples that are read ahead by other processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from edgekit.data import Dataset, memory, read_ahead
from edgekit.data.request import Request
from edgekit.data.sequence import Origin, read
from edgekit.errors import DataError
from edgekit.types import Preprocess
from tests.processes import ended
from tests.unit.data.test_load import INPUT, RAW, load

FORKS = multiprocessing.get_context("fork")
PARTS = [np.array([8, 0, 3]), np.array([2]), np.array([7, 7, 1]), np.array([4, 5, 6])]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Nine pictures of noise, of the input's size, in two classes."""
    noise = np.random.default_rng(0).integers(0, 256, (9, 4, 6, 3), np.uint8)
    for number, pixels in enumerate(noise):
        place = tmp_path / "set" / ("odd" if number % 2 else "even")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number}.png")
    return tmp_path


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MEMORY", 0)


def workers() -> list[int]:
    """Those of PyTorch's loader are daemons; pools of other tests' processes are none."""
    running = multiprocessing.active_children()
    return [int(child.pid or 0) for child in running if child.daemon]


def rows(dataset: Dataset, parts: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    for (x,), y in read_ahead.read_ahead(dataset, parts):
        yield x, y


def test_workers_read_what_is_not_in_memory_to_the_same(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = Preprocess(scale=255, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    held = load("set", images, preprocess=how)
    expected = [held.arrays(part) for part in PARTS]
    assert not workers()
    list(rows(held, PARTS))
    assert not workers(), "what is in memory needs no process"
    monkeypatch.setattr(memory, "MEMORY", 0)
    state = torch.get_rng_state()
    found = rows(load("set", images, preprocess=how), PARTS)
    for number, (x, y) in enumerate(expected):
        given, targets = next(found)
        assert number or workers()
        np.testing.assert_array_equal(given, x, strict=True)
        np.testing.assert_array_equal(targets, y, strict=True)
    assert next(found, None) is None
    assert not workers() and torch.equal(torch.get_rng_state(), state)


def test_samples_of_a_part_of_the_set_keep_their_numbers(
    images: Path, little_memory: None
) -> None:
    dataset = load("set", images).subset(np.array([6, 2, 4]))
    (images / "set/odd/3.png").write_bytes(b"")  # the seventh, by class and name
    with pytest.raises(DataError, match=r"odd/3\.png \("):
        list(rows(dataset, [np.array([1]), np.array([0])]))


@pytest.mark.usefixtures("little_memory")
def test_a_file_that_only_a_worker_finds_broken_is_named(images: Path) -> None:
    dataset = load("set", images)
    file = images / "set/even/6.png"
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"Cannot read the image .*even/6\.png") as said:
        list(rows(dataset, PARTS))
    assert "\n" not in str(said.value) and not workers()


def sequence(samples: Any) -> Dataset:
    return read(samples, Request.of_one(INPUT, RAW), Origin(name="mine"))


class Fatal(torch.utils.data.Dataset[Any]):
    """Samples, one of which ends the process that reads it a second time."""

    def __init__(self) -> None:
        self.owner = os.getpid()

    def __len__(self) -> int:
        return 9

    def __getitem__(self, index: int) -> Any:
        if index == 5 and os.getpid() != self.owner:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.full(INPUT.shape, index, np.float32), index


@pytest.mark.usefixtures("little_memory")
def test_a_worker_that_ends_is_an_error_with_its_sample() -> None:
    # Takes five seconds: torch looks for ended workers as often.
    with pytest.raises(DataError, match="while it read sample 5 of mine") as said:
        list(rows(sequence(Fatal()), PARTS))
    assert "\n" not in str(said.value) and not workers()


class Open(torch.utils.data.Dataset[Any]):
    """Samples in an open file, whose place processes would share."""

    def __init__(self, file: Path) -> None:
        self.file = file.open("rb")

    def __len__(self) -> int:
        return 9

    def __getitem__(self, index: int) -> Any:
        size = int(np.prod(INPUT.shape))
        self.file.seek(size * index)
        content = np.frombuffer(self.file.read(size), np.uint8)
        return content.reshape(INPUT.shape), index


@pytest.mark.usefixtures("little_memory")
def test_an_open_file_is_read_in_this_process(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (9, *INPUT.shape), np.uint8)
    (tmp_path / "all").write_bytes(values.tobytes())
    found = rows(sequence(Open(tmp_path / "all")), PARTS)
    for part in PARTS:
        x, y = next(found)
        assert not workers()
        np.testing.assert_array_equal(x, values[part])
        assert y.tolist() == part.tolist()


@pytest.mark.usefixtures("little_memory")
def test_without_room_between_processes_this_one_reads(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "available", lambda: 4000)
    found = rows(load("set", images), PARTS)
    assert next(found)[1].tolist() == [1, 0, 0]
    assert not workers()


@pytest.mark.usefixtures("little_memory")
def test_workers_end_with_whoever_gives_up(images: Path) -> None:
    found = read_ahead.read_ahead(load("set", images), PARTS * 50)
    next(found)
    assert workers()
    found.close()  # type: ignore[attr-defined]
    assert not workers()


def _interrupted(root: Path, ready: Any) -> None:
    os.setsid()
    with (root / "said").open("wb") as said:
        os.dup2(said.fileno(), 2)
    found = rows(load("set", root), PARTS * 100_000)
    next(found)
    try:
        ready.send(workers())
        for _ in found:
            pass
    except KeyboardInterrupt:
        os.write(2, b"interrupted")


@pytest.mark.usefixtures("little_memory")
def test_control_c_leaves_no_processes_and_no_words_of_theirs(images: Path) -> None:
    ready, other = FORKS.Pipe()
    child = FORKS.Process(target=_interrupted, args=(images, other))
    child.start()
    there = ready.recv()
    assert there
    os.killpg(int(child.pid or 0), signal.SIGINT)
    child.join(10)
    assert child.exitcode == 0
    assert (images / "said").read_bytes() == b"interrupted"
    for pid in there:
        assert ended(pid, timeout_s=10)
