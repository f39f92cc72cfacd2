"""A way to a shell on another machine, and what a command did there."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgekit.errors import DeviceError, EdgeKitError

HEARTBEAT_S = 2.0
"""Seconds between two bytes on a long command's standard input, which show that the host is
alive."""
SILENCE_S = 15.0
"""Seconds that the device's end waits for such a byte before it ends the job."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Result of a command. `status` is None where it had not ended in time."""

    status: int | None
    output: bytes
    said: str


class Link(Protocol):
    """A shell on a device."""

    @property
    def name(self) -> str:
        """The device's address, as the user wrote it."""

    def shell(
        self,
        script: str,
        *,
        timeout_s: float,
        source: Path | None = None,
        beating: bool = False,
    ) -> Reply:
        """Run a POSIX shell script to its end, or for `timeout_s`.

        Its standard input is `source`, a byte every HEARTBEAT_S where `beating`, or nothing.
        Raises the error that names what is wrong with the way there.
        """

    def explain(self, reply: Reply) -> EdgeKitError | None:
        """The fault of the connection, not of the command; None where it worked."""

    def close(self) -> None:
        """Leave nothing behind, here or there."""


def pipe(
    command: Sequence[str],
    *,
    timeout_s: float,
    source: Path | None = None,
    beating: bool = False,
) -> Reply:
    """Run `command` here with its input as in `Link.shell`; its whole group ends with us."""
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as said,
        contextlib.ExitStack() as opened,
    ):
        given: int | object = subprocess.DEVNULL
        if beating:
            given = subprocess.PIPE
        elif source is not None:
            given = opened.enter_context(source.open("rb"))
        try:
            process = subprocess.Popen(
                command,
                stdin=given,  # type: ignore[arg-type]
                stdout=output,
                stderr=said,
                start_new_session=True,
            )
        except OSError as error:
            raise DeviceError(
                f"Cannot start {command[0]} ({error.strerror}). Install it, or put it on PATH."
            ) from error
        try:
            status = _wait(process, timeout_s, beating)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdin:
                with contextlib.suppress(OSError):
                    process.stdin.close()
        output.seek(0)
        said.seek(0)
        words = said.read().decode(errors="replace")
        return Reply(status=status, output=output.read(), said=words)


def _wait(
    process: subprocess.Popen[bytes], timeout_s: float, beating: bool
) -> int | None:
    end = time.monotonic() + timeout_s
    while (left := end - time.monotonic()) > 0:
        try:
            return process.wait(timeout=min(left, HEARTBEAT_S) if beating else left)
        except subprocess.TimeoutExpired:
            if beating and process.stdin:
                with contextlib.suppress(OSError):  # its end shows in the status
                    process.stdin.write(b".")
                    process.stdin.flush()
    return None
