from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgekit import scratch

HOLDER = """
import sys, time
from pathlib import Path
from edgekit import scratch
with scratch.folder(Path(sys.argv[1]), of=sys.argv[2]) as made:
    (made / "half").write_text("half")
    print(made, flush=True)
    time.sleep(60)
"""


def holder(place: Path, of: str = "") -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(place), of],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(scratch.__file__).parents[1],
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_folder_is_hidden_and_gone_afterwards(tmp_path: Path) -> None:
    with scratch.folder(tmp_path) as made:
        assert made.parent == tmp_path and made.name.startswith(".")
        (made / "file").write_text("x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("of", ["", "raspberrypi", "dotted.name"])
def test_what_a_killed_process_left_is_swept_and_a_living_ones_is_not(
    tmp_path: Path, of: str
) -> None:
    process, left = holder(tmp_path, of)
    scratch.sweep(tmp_path)
    assert (left / "half").is_file()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert left.is_dir()
    scratch.sweep(tmp_path)
    assert not left.exists()


def test_folders_of_this_process_and_of_others_names_stay(tmp_path: Path) -> None:
    others = [".git", ".cache", "edgekit-01234567", ".edgekit", ".edgekit-notes"]
    for name in others:
        (tmp_path / name).mkdir()
    (tmp_path / ".edgekit-01234567").write_text("a file")
    with scratch.folder(tmp_path) as made:
        scratch.sweep(tmp_path)
        assert made.is_dir()
    assert {path.name for path in tmp_path.iterdir()} == {*others, ".edgekit-01234567"}


def test_a_link_with_such_a_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/work").write_text("x")
    (tmp_path / ".edgekit-01234567").symlink_to(tmp_path / "mine")
    scratch.sweep(tmp_path)
    assert (tmp_path / "mine/work").read_text() == "x"


def test_sweeps_and_makers_at_once_lose_nothing(tmp_path: Path) -> None:
    """Makers find their folder there for as long as they use it, while others sweep."""
    maker = (
        "import sys\nfrom pathlib import Path\nfrom edgekit import scratch\n"
        "for _ in range(300):\n"
        "    with scratch.folder(Path(sys.argv[1])) as made:\n"
        "        (made / 'x').write_text('x')\n"
        "        scratch.sweep(Path(sys.argv[1]))\n"
        "        assert (made / 'x').read_text() == 'x'\n"
    )
    command = [sys.executable, "-c", maker, str(tmp_path)]
    root = Path(scratch.__file__).parents[1]
    running = [subprocess.Popen(command, cwd=root) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "file"
    scratch.write(file, b"first")

    def fail() -> None:
        with scratch.replacing(file) as partial:
            partial.write_bytes(b"half of the sec")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        fail()
    assert file.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [file]


def test_a_reached_limit_counts_as_full(tmp_path: Path) -> None:
    assert scratch.full(OSError(28, "No space left on device"))
    assert scratch.full(OSError("6400 requested and 1024 written"))
    assert not scratch.full(FileNotFoundError(2, "No such file"))
    assert not scratch.full(ValueError("6400 requested and 1024 written"))


def test_a_child_does_not_hold_its_parents_folders(tmp_path: Path) -> None:
    """Programs that outlive us keep no lock: what we left can be swept beside them."""
    code = (
        "import os, subprocess, sys\nfrom pathlib import Path\n"
        "from edgekit import scratch\n"
        "with scratch.folder(Path(sys.argv[1])):\n"
        "    child = subprocess.Popen(['sleep', '30'])\n"
        "    print(child.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    root = Path(scratch.__file__).parents[1]
    done = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
    )
    assert done.stdout is not None
    child = int(done.stdout.readline())
    try:
        done.wait(30)
        time.sleep(0.05)
        scratch.sweep(tmp_path)
        assert list(tmp_path.iterdir()) == []
    finally:
        os.kill(child, signal.SIGKILL)
