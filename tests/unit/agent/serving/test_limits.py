"""The memory a container may use, from both versions of control groups."""

from __future__ import annotations

from pathlib import Path

from edgekit.agent.serving.limits import Memory, memory


def write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def test_the_second_version(tmp_path: Path) -> None:
    files = {
        "memory.max": "67108864\n",
        "memory.peak": "33554432\n",
        "memory.events": "low 0\nhigh 0\nmax 12\noom 2\noom_kill 1\n",
    }
    write(tmp_path / "sys/fs/cgroup", files)
    assert memory(str(tmp_path)) == Memory(limit_mb=64, peak_mb=32, kills=1)


def test_the_first_version(tmp_path: Path) -> None:
    files = {
        "memory.limit_in_bytes": "67108864\n",
        "memory.max_usage_in_bytes": "1048576\n",
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    }
    write(tmp_path / "sys/fs/cgroup/memory", files)
    assert memory(str(tmp_path)) == Memory(limit_mb=64, peak_mb=1, kills=3)


def test_no_limit_is_none(tmp_path: Path) -> None:
    files = {"memory.max": "max\n", "memory.events": "oom_kill 0\n"}
    write(tmp_path / "sys/fs/cgroup", files)
    assert memory(str(tmp_path)) == Memory(limit_mb=None, peak_mb=None, kills=0)
    files = {"memory.limit_in_bytes": "9223372036854771712\n"}
    write(tmp_path / "old/sys/fs/cgroup/memory", files)
    assert memory(str(tmp_path / "old")).limit_mb is None


def test_a_kernel_that_does_not_say(tmp_path: Path) -> None:
    assert memory(str(tmp_path)) == Memory(limit_mb=None, peak_mb=None, kills=None)
