"""Processes of this Python, and room for them."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from edgekit import child

BLOCK, BLOCKS = 100_000, 2000
"""Below glibc's threshold for mappings of their own: such blocks stay with the process."""


def private_mib() -> int:
    """Memory of this process that no file backs."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(x.split()[1]) for x in lines if x.startswith("RssAnon")) >> 10


@pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc",
    reason="only glibc keeps what was freed and can be asked for it",
)
def test_freed_memory_is_there_for_others() -> None:
    # Not zeros: the system lends pages that nobody has written to.
    blocks = [b"x" * BLOCK for _ in range(BLOCKS)]
    held, kept = private_mib(), blocks[::50]  # some of each stretch of memory is in use
    del blocks
    child.make_room()
    assert private_mib() < held - BLOCK * BLOCKS / 2**20 / 2
    assert len(kept) == BLOCKS // 50
