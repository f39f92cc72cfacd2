"""Turns on this machine, by the lock that every process of the user takes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edgekit.devices import lock
from edgekit.errors import DeviceBusy

BENCH = {"kind": "bench"}


def test_what_is_timed_waits_for_what_is_timed() -> None:
    inside, order = threading.Event(), []

    def second() -> None:
        inside.wait()
        with lock.turn(BENCH):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with lock.turn(BENCH):
        inside.set()
        thread.join(timeout=0.5)
        assert thread.is_alive()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_whoever_waits_too_long_is_reported_who_holds_it() -> None:
    code = (
        "import sys\nfrom edgekit.devices import lock\n"
        "with lock.turn({'kind': 'microbenchmark'}):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert other.stdin
    assert other.stdout
    try:
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(DeviceBusy, match=f"process {other.pid} holds"),
            lock.turn(BENCH, patience_s=0.2),
        ):
            pass
        with lock.turn({"kind": "infer"}, patience_s=0.0):
            pass  # what is not timed disturbs nobody enough to wait
    finally:
        other.stdin.close()
        other.wait()
    with lock.turn(BENCH, patience_s=0.0):  # a holder that is gone holds nothing
        assert Path(os.environ[lock.LOCK]).read_text() == str(os.getpid())


def test_a_lock_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(lock.LOCK, str(tmp_path / "no" / "lock"))
    with pytest.raises(DeviceBusy, match="EDGEKIT_LOCK"), lock.turn(BENCH):
        pass
