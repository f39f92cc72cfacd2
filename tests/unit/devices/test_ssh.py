"""Files of a connection on this machine, with a program in the place of `ssh`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit import scratch

SSH = """\
#!/bin/sh
for word; do [ "$word" = -M ] && main=1; done
while [ $# -gt 0 ]; do [ "$1" = -S ] && socket=$2; shift; done
[ "$main" ] || exit 0
: >"$socket"
exec sleep 30
"""
CONNECT = """\
import sys
from edgekit.devices.ssh import SshLink
link = SshLink(name="ssh://board", host="board")
link.shell("true", timeout_s=5)
print(link._folder, flush=True)
sys.stdin.read()
link.close()
"""


@pytest.fixture
def connected(tmp_path: Path) -> subprocess.Popen[str]:
    program = tmp_path / "ssh"
    program.write_text(SSH)
    program.chmod(0o755)
    return subprocess.Popen(
        [sys.executable, "-c", CONNECT],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(scratch.__file__).parents[1],
    )


def folder_of(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def test_the_sockets_folder_is_the_users_alone_and_ends_with_the_connection(
    connected: subprocess.Popen[str],
) -> None:
    folder = folder_of(connected)
    assert folder.parent == scratch.SOCKETS
    assert folder.stat().st_mode & 0o777 == 0o700
    scratch.sweep(scratch.SOCKETS)
    assert folder.is_dir(), "the folder of a living process was swept"
    connected.communicate()
    assert not folder.exists()


def test_what_a_killed_process_left_is_swept_by_the_next_command(
    connected: subprocess.Popen[str], tmp_path: Path
) -> None:
    folder = folder_of(connected)
    connected.send_signal(signal.SIGKILL)
    connected.communicate()
    assert folder.is_dir()
    subprocess.run(
        [sys.executable, "-m", "edgekit", "targets"],
        env={**os.environ, "TMPDIR": str(tmp_path)},  # sockets do not lie there
        cwd=Path(scratch.__file__).parents[1],
        check=True,
        capture_output=True,
    )
    assert not folder.exists()
