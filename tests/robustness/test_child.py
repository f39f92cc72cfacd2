"""Modules that processes of EdgeKit's search."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit import child
from tests.robustness.conftest import RELATIVE, Planted


def test_what_a_child_of_ours_searches(
    carelessly: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = carelessly.folder.parent / "mine"
    monkeypatch.setenv("PYTHONPATH", f"{RELATIVE}{os.pathsep}{mine}")
    monkeypatch.setattr(sys, "path", ["", "lib", str(carelessly.folder), *sys.path])
    handed = child.environment()["PYTHONPATH"].split(os.pathsep)
    assert all(Path(entry).is_absolute() for entry in handed)
    assert str(carelessly.folder) not in handed
    assert child.foreign_environment()["PYTHONPATH"] == str(mine)
    done = subprocess.run(
        child.python("-c", "import sys, edgekit.errors; print(sys.path)"),
        env=child.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(carelessly.folder) not in done.stdout and "''" not in done.stdout
