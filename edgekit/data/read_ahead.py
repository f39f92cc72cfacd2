"""Samples that are not in memory, read ahead by worker processes while a network runs.

Workers decode and preprocess. The order is the caller's, and nothing random is drawn here: the
samples are the same with any number of workers, and with none.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.utils.data
from torch import Tensor

from edgekit.data.dataset import Dataset
from edgekit.data.memory import available
from edgekit.data.samples import Indices
from edgekit.errors import DataError
from edgekit.program.feeds import Feeds, joined
from edgekit.tasks.targets import Targets

_MOST_WORKERS = 8
_AHEAD = 2
"""Parts that each worker reads ahead."""
_FRACTION = 16
"""Parts that wait take at most one part in so many of the free memory."""
_SHARED = Path("/dev/shm")
"""Where Linux holds the memory that processes share; 64 MiB in a container by default."""
_IDLE = -1
_ENDING_S = 1.0
_FORKS = sys.platform.startswith("linux")
"""Elsewhere a new process would run the user's script a second time."""


def read_ahead(
    dataset: Dataset, parts: Sequence[Indices]
) -> Iterator[tuple[Feeds, Targets]]:
    """The inputs (n, *shape) and targets (n, ...) of each part of `dataset`, in order.

    Worker processes read where samples are not in memory. They end with the iterator, and with
    this process. Raises `DataError` that names the sample which cannot be read, or which a
    worker was reading when it ended.
    """
    workers = _workers(dataset, parts)
    if not workers:
        return (dataset.feeds(part) for part in parts)
    return _by_workers(dataset, parts, workers)


def _workers(dataset: Dataset, parts: Sequence[Indices]) -> int:
    """Number of processes that read; 0 where this one reads as fast, or has no room for others."""
    if not _FORKS or len(parts) < 2:
        return 0
    by_workers = [c.samples.by_workers for c in dataset.columns]
    if not any((*by_workers, dataset.targets_by_workers)):
        return 0
    largest = dataset.sample_bytes * max(map(len, parts))
    waiting = _room() // max(1, largest)
    return max(0, min(_MOST_WORKERS, _cores(), len(parts), (waiting - 1) // _AHEAD))


def _cores() -> int:
    """Half of the cores that this process may use: the network runs on them, too."""
    own = getattr(os, "sched_getaffinity", None)
    cores = len(own(0)) if own is not None else os.cpu_count() or 1
    return max(1, cores // 2 // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def _room() -> int:
    """Bytes that samples may take between the processes: a full /dev/shm kills the writer."""
    free = available() // _FRACTION
    shared = shutil.disk_usage(_SHARED).free // 2 if _SHARED.is_dir() else free
    return max(0, min(free, shared))


class _Reads(torch.utils.data.Dataset[Any]):
    """Parts of a data set by the numbers of their samples, read in a worker."""

    def __init__(self, dataset: Dataset, reading: Tensor) -> None:
        self._dataset, self._reading = dataset, reading

    def __getitem__(self, part: Any) -> list[Tensor] | str:
        """The inputs and the targets of a part, or the message of an error."""
        row = int((self._reading[:, 0] == os.getpid()).nonzero()[0])
        mine = self._reading[row]
        rows: list[Feeds] = []
        try:
            for index in np.asarray(part):
                mine[1] = int(index)
                feeds, targets = self._dataset.feeds(np.array([index]))
                rows.append((*feeds, targets))
        except DataError as error:
            return str(error)
        mine[1] = _IDLE
        return [torch.from_numpy(each) for each in joined(rows)]


def _by_workers(
    dataset: Dataset, parts: Sequence[Indices], workers: int
) -> Iterator[tuple[Feeds, Targets]]:
    reading = torch.full((workers, 2), _IDLE)
    reading.share_memory_()  # type: ignore[no-untyped-call]
    loader = torch.utils.data.DataLoader(
        _Reads(dataset, reading),
        batch_size=None,
        sampler=parts,
        collate_fn=_unchanged,
        num_workers=workers,
        prefetch_factor=_AHEAD,
        worker_init_fn=_Begin(reading),
        multiprocessing_context="fork",
        generator=torch.Generator(),  # leaves the training's random numbers alone
    )
    with _own_child_signal(), warnings.catch_warnings():
        # Python warns of forks beside threads; the workers use none of the threads' locks.
        warnings.simplefilter("ignore", DeprecationWarning)
        each = iter(loader)
    try:
        while (found := _next(each, dataset, reading)) is not None:
            if isinstance(found, str):
                raise DataError(found)
            *feeds, targets = (tensor.numpy() for tensor in found)
            yield tuple(feeds), targets
    finally:
        del each  # ends the workers, also where an error's traceback keeps this frame


def _next(
    each: Iterator[list[Tensor] | str], dataset: Dataset, reading: Tensor
) -> list[Tensor] | str | None:
    """The next part, or the message of an error; `None` after the last."""
    try:
        return next(each, None)
    except (RuntimeError, OSError, EOFError):
        if not _ended(reading):
            raise
        return _sentence(dataset, reading)


class _Begin:
    """The start of a worker: signals end it, as they end any process, and it has a number."""

    def __init__(self, reading: Tensor) -> None:
        self._reading = reading

    def __call__(self, worker: int) -> None:
        """Note the process of `worker`; Ctrl-C is for the process that reads from it."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_DFL)
        self._reading[worker][0] = os.getpid()


def _unchanged(part: Any) -> Any:
    return part


@contextmanager
def _own_child_signal() -> Iterator[None]:
    """Keep the handler of children's ends: torch's raises wherever this process happens to be."""
    if threading.current_thread() is not threading.main_thread():
        yield  # no other thread has handlers
        return
    number = getattr(signal, "SIGCHLD", None)
    before = None if number is None else signal.getsignal(number)
    yield
    if number is not None:
        signal.signal(number, before)


def _ended(reading: Tensor) -> list[int]:
    """The samples that workers were reading when they ended, `_IDLE` of those that read none."""
    until = time.monotonic() + _ENDING_S
    while time.monotonic() < until:
        alive = [child.pid for child in multiprocessing.active_children()]
        ended = [index for pid, index in reading.tolist() if pid not in (_IDLE, *alive)]
        if ended:
            return ended
        time.sleep(_ENDING_S / 50)  # its connections are closed before it is gone
    return []


def _sentence(dataset: Dataset, reading: Tensor) -> str:
    """The sentence about a worker that ended, with the sample that it was reading."""
    read = [index for index in _ended(reading) if index != _IDLE]
    if not read:
        return (
            "A process that reads samples ended by itself. Free some memory, or give fewer or "
            "smaller samples."
        )
    name = dataset.columns[0].samples.title(int(dataset.numbers[read[0]]))
    return (
        f"A process that reads samples ended while it read {name}. Replace or remove that "
        "sample, or free some memory."
    )
