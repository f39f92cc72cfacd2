"""The memory a container may use, and whether something in it was killed for want of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_UNLIMITED = 1 << 60


class Memory(NamedTuple):
    """Of the control group this process is in; None where the kernel gives none."""

    limit_mb: float | None  # 1 MB = 2**20 bytes
    peak_mb: float | None
    kills: int | None  # processes the kernel killed there because memory ran out


def memory(root: str = "/") -> Memory:
    """Read from the second version of control groups, or the first; `root` is where /sys is."""
    top = Path(root) / "sys/fs/cgroup"
    if (top / "memory.events").is_file():
        return Memory(
            _mb(top / "memory.max"),
            _mb(top / "memory.peak"),
            _kills(top / "memory.events"),
        )
    old = top / "memory"
    return Memory(
        _mb(old / "memory.limit_in_bytes"),
        _mb(old / "memory.max_usage_in_bytes"),
        _kills(old / "memory.oom_control"),
    )


def _mb(file: Path) -> float | None:
    text = _text(file).strip()
    if not text.isdigit() or int(text) >= _UNLIMITED:
        return None
    return int(text) / 2**20


def _kills(file: Path) -> int | None:
    found = re.search(r"^oom_kill (\d+)$", _text(file), re.MULTILINE)
    return int(found.group(1)) if found else None


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
