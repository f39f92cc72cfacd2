"""The command as a user runs it: output and exit code."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tests.processes import below

ROOT = Path(__file__).parents[3]


def edgekit(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgekit", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def agents_of(parent: psutil.Process) -> list[psutil.Process]:
    return below("result.json", parent)


def wait_for(happened: Callable[[], Any], what: str, *, seconds: float = 120) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := happened():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")
