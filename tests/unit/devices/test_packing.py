"""The agent as one file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from edgekit.devices.packing import pack_agent


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = pack_agent(tmp_path / "one.pyz"), pack_agent(tmp_path / "other.pyz")
    assert one.read_bytes() == other.read_bytes()


def test_the_file_runs_alone(tmp_path: Path) -> None:
    packed = pack_agent(tmp_path / "agent.pyz")
    done = subprocess.run(
        [sys.executable, "-I", packed, "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0 and "JOB.json RESULT.json" in done.stderr
