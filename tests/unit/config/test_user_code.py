"""Code of the user's, and signals while it runs."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.unit.test_cli import SIGNALS


@pytest.mark.parametrize(
    ("name", "code"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129)]
)
@pytest.mark.parametrize("wraps", [False, True])
def test_a_signal_while_the_users_code_runs_is_not_blamed_on_it(
    mine: Path, run: Run, name: str, code: int, wraps: bool
) -> None:
    kill = f"os.kill(os.getpid(), signal.{name}); time.sleep(30)"
    passed_on = (
        f"    try: {kill}\n"
        "    except BaseException as error: raise ValueError('failed') from error\n"
    )
    body = passed_on if wraps else f"    {kill}\n"
    text = f"import os, signal, time\ndef build():\n{body}"
    (mine / "model.py").write_text(text)
    before = [signal.getsignal(number) for number in SIGNALS]
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which `nohup` would have ignored
    try:
        status, out, err = run("inspect", "model.py:build", "-i", "3,16,16")
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)
    assert (status, out) == (code, "")
    assert err.strip() == "Interrupted; nothing half-written was left."


@pytest.mark.parametrize("leave", ["sys.exit(143)", "sys.exit('no')", "exit()"])
def test_an_exit_of_the_users_own_is_the_users(
    mine: Path, run: Run, leave: str
) -> None:
    (mine / "model.py").write_text(f"import sys\ndef build():\n    {leave}\n")
    status, _, err = run("inspect", "model.py:build", "-i", "3,16,16")
    assert status == 2
    assert "model.py:3: SystemExit" in err and len(err.strip().splitlines()) == 1
