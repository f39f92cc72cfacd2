"""The number of instructions this process has executed, where an emulator counts them.

The emulator's plugin keeps the count in a file that is mapped here: reading it is reading memory.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable

from .errors import JOB_INVALID, AgentError

VARIABLE = "EDGEKIT_INSTRUCTIONS"
"""The launcher of an agent under a counting emulator puts the path of the count's file
here."""


def counter() -> Callable[[], int]:
    """A clock that ticks once an instruction; raises `job_invalid` where nobody counts."""
    path = os.environ.get(VARIABLE)
    if path is None:
        raise AgentError(
            JOB_INVALID,
            "Instructions can be counted in an emulated process only. "
            "Leave 'unit' out of the job to time instead.",
        )
    with open(path, "rb") as file:  # noqa: PTH123 - as elsewhere in the agent
        page = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    cell = memoryview(page).cast("Q")
    return lambda: cell[0]
