"""A network in a format's fp32, kept for the length of a build: every precision starts from it.

Converting takes longer than quantizing a small network, and a build asks for the unpruned network
in fp32 first, and in other precisions when the operators of the device are checked.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from edgekit.export.worker import Job
from edgekit.program.program import Program

_folders: list[Path] = []


@contextmanager
def kept(folder: Path) -> Iterator[None]:
    """Keep conversions in `folder` while the block lasts; the folder is the caller's to remove."""
    _folders.append(folder)
    try:
        yield
    finally:
        _folders.remove(folder)


def name_of(program: Program) -> str:
    """A name of all of a network that its file in fp32 has: its ends besides what it computes."""
    ends = (program.specs, program.dtypes, program.outputs, program.reads)
    digest = hashlib.sha256(f"{program.fingerprint()} {ends}".encode())
    return digest.hexdigest()


def lent(job: Job, network: str) -> Job:
    """The job from where its format has the `network`, by its name; as it is without."""
    place = _place(job, network)
    if place is None or not place.is_dir():
        return job
    for file in place.iterdir():
        shutil.copyfile(file, job.fp32.with_name(file.name))
    return replace(job, converted=True)


def keep(jobs: Iterable[Job], network: str) -> None:
    """Keep what jobs converted that are done."""
    for job in jobs:
        place = _place(job, network)
        if place is None or place.is_dir() or not job.fp32.is_file():
            continue
        place.mkdir(parents=True)
        # A format of several files has them side by side.
        for file in job.fp32.parent.glob(f"{job.fp32.stem}.*"):
            shutil.copyfile(file, place / file.name)


def _place(job: Job, network: str) -> Path | None:
    if not _folders:
        return None
    order = "last" if job.channels_last else "first"
    return _folders[-1] / network / f"{job.runtime}-{order}"
