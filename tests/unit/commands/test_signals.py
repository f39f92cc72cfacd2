"""A signal that arrives in a destructor ends the command all the same."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

# The destructor runs for long enough that the signal surely arrives inside of it.
SWALLOWS = """
import os, signal, sys, time
from edgekit.commands import signals
from edgekit.errors import SIGNALS

class Slow:
    def __del__(self):
        os.kill(os.getpid(), {number})
        time.sleep(0.2)

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup's children ignore it
signals.handle()
try:
    Slow()
    time.sleep(10)
except SIGNALS as error:
    print(type(error).__name__, *error.args)
    sys.exit(7)
"""


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGTERM, "Terminated 15\n"),
        (signal.SIGHUP, "Terminated 1\n"),
        (signal.SIGINT, "KeyboardInterrupt\n"),
    ],
)
def test_a_destructor_swallows_no_signal(number: signal.Signals, said: str) -> None:
    done = _run(SWALLOWS.format(number=int(number)))
    assert (done.returncode, done.stdout, done.stderr) == (7, said, "")


def test_other_faults_of_a_destructor_are_shown() -> None:
    done = _run(
        "from edgekit.commands import signals\n"
        "class Broken:\n"
        "    def __del__(self):\n"
        "        raise ValueError('in a destructor')\n"
        "signals.handle()\n"
        "Broken()\n"
    )
    assert done.returncode == 0
    assert "ValueError: in a destructor" in done.stderr


def _run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
