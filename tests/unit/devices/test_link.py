"""Commands at the end of a link: their input, their end, and that of all they started."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edgekit.devices.link import pipe
from edgekit.errors import DeviceError
from tests.processes import ended


def test_a_command_has_its_input_output_words_and_status(tmp_path: Path) -> None:
    (tmp_path / "given").write_bytes(b"in\x00put")
    script = "cat; echo words >&2; exit 3"
    reply = pipe(["sh", "-c", script], timeout_s=10, source=tmp_path / "given")
    assert (reply.status, reply.output, reply.said) == (3, b"in\x00put", "words\n")
    assert pipe(["cat"], timeout_s=10).output == b""


def test_a_command_that_does_not_end_has_no_status_and_leaves_no_process(
    tmp_path: Path,
) -> None:
    script = f"sleep 60 & echo $! >{tmp_path}/child; wait"
    began = time.monotonic()
    reply = pipe(["sh", "-c", script], timeout_s=2)
    assert reply.status is None and time.monotonic() - began < 10
    assert ended(int((tmp_path / "child").read_text()), timeout_s=10)


def test_a_beating_command_hears_of_the_host_until_it_ends() -> None:
    reply = pipe(["head", "-c", "1"], timeout_s=20, beating=True)
    assert (reply.status, reply.output) == (0, b".")


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(DeviceError, match=r"Cannot start no-such-program .*Install it"):
        pipe(["no-such-program"], timeout_s=1)
