"""Faults of EdgeKit's own, and their reports."""

from __future__ import annotations

import io
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import edgekit
from edgekit.commands import crashes
from edgekit.config import project
from tests.conftest import Run
from tests.unit.test_cli import broken


def test_a_fault_of_our_own_has_its_own_code_and_a_report(
    mine: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_OWN_SECRET", "from-the-environment")
    monkeypatch.setattr(project, "load", broken(lambda: {}["ssh://me:hunter2@pi"]))
    address = ("--device", "ssh://me:hunter2@pi")
    status, out, err = run("build", "-t", "raspberrypi", *address, "-o", "new")
    assert (status, out) == (70, "")
    assert len(err.strip().splitlines()) == 1 and "Internal error: KeyError" in err
    [report] = [word for word in err.split() if word.endswith(".txt")]
    text = Path(report).read_text()
    assert Path(report).is_relative_to(os.environ["EDGEKIT_CACHE"])
    assert "Traceback" in text and "test_cli.py" in text
    assert f"edgekit {edgekit.__version__}" in text and "torch " in text
    assert "command: edgekit build -t raspberrypi" in text and "stage: " in text
    assert "hunter2" not in text + err
    assert "from-the-environment" not in text
    assert not (mine / "new").exists()


def test_secrets_on_the_command_line_stay_out_of_reports(
    mine: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "load", broken(lambda: [][0]))
    # Options that do not exist are refused before anything runs, so the words are given as are.
    monkeypatch.setattr(
        sys, "argv", ["edgekit", "--api-token", "t0ken", "--password=pa55"]
    )
    line = crashes.reported(ValueError("bad t0ken and pa55"), "here")
    text = Path(line.split()[-1]).read_text()
    assert "bad *** and ***" in line and "stage: here" in text
    assert "t0ken" not in text and "pa55" not in text


def test_only_the_newest_reports_stay(run: Run) -> None:
    folder = Path(os.environ["EDGEKIT_CACHE"]) / "crashes"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(30):
        (folder / f"edgekit-crash-20200101-{number:06}-1.txt").write_text("old")
    line = crashes.reported(ValueError("x"), "here")
    left = sorted(folder.iterdir())
    assert len(left) == 20 and left[-1] == Path(line.split()[-1])


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (lambda: np.empty(1 << 50), 2, "too little free memory"),
        (lambda: torch.empty(1 << 50), 2, "too little free memory"),
        (lambda: Path("/dev/full").write_text("x"), 2, "No space left"),
        (lambda: Path("/proc/self/mem/x").read_text(), 70, "NotADirectoryError"),
        (lambda: torch.empty(2) @ torch.empty(3), 70, "Internal error: RuntimeError"),
        (lambda: sys.exit(1), 70, "Internal error: SystemExit"),
        (lambda: sys.exit(0), 70, "Internal error: SystemExit"),
        (lambda: pickle.load(io.BytesIO()), 70, "Internal error: EOFError"),
    ],
)
def test_limits_of_the_machine_are_named_and_the_rest_is_ours(
    mine: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[], object],
    code: int,
    words: str,
) -> None:
    monkeypatch.setattr(project, "load", broken(fault))
    status, out, err = run("build", "-t", "raspberrypi", "-q")
    assert (status, out) == (code, "")
    assert words in err and len(err.strip().splitlines()) == 1, err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("module", "extra"),
    [("ai_edge_litert.interpreter", "litert"), ("onnxruntime", "onnxruntime")],
)
def test_a_package_of_an_extra_is_named_with_its_command(
    module: str, extra: str
) -> None:
    absent = ModuleNotFoundError(f"No module named '{module}'", name=module)
    found = crashes.named(absent)
    assert found is not None and found.exit_code == 3
    assert f"pip install 'edgekit[{extra}]'" in str(found)
    assert crashes.named(ModuleNotFoundError("No module named 'x'", name="x")) is None
