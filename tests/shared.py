"""Folders that the processes of a run of tests share, and a cache that several runs share."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

CACHE = "EDGEKIT_TEST_CACHE"
"""A folder in which several runs keep what is slow to fetch or to measure."""


def of_run(base: Path) -> Path:
    """The folder that all processes of this run have, by the temporary folder of one of them."""
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def cache(base: Path) -> Path:
    """The folder that several runs keep, else the run's."""
    return Path(os.environ.get(CACHE) or of_run(base)) / "shared-cache"


def once(base: Path, name: str, fill: Callable[[Path], None]) -> Path:
    """The run's folder of that name. The first process fills it, the others wait."""
    root = of_run(base) / "once"
    root.mkdir(exist_ok=True)
    folder, partial = root / name, root / f"{name}.partial"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            fill(partial)
            partial.rename(folder)
    return folder
