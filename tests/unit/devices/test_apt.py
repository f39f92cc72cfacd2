"""Tools that fetch another processor's programs: their output, and their faults in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.devices import apt
from edgekit.errors import DeviceError


def test_a_command_runs_with_its_variables_in_its_folder(tmp_path: Path) -> None:
    found = apt.run(["sh", "-c", 'echo "$WORD"; pwd'], {"WORD": "said"}, tmp_path)
    assert found.splitlines() == ["said", str(tmp_path.resolve())]


def test_a_command_that_fails_is_named_with_its_last_words() -> None:
    with pytest.raises(DeviceError, match=r"sh -c .*failed \(E: gone\)") as error:
        apt.run(["sh", "-c", "echo W: slow >&2; echo E: gone >&2; exit 1"])
    assert "\n" not in str(error.value)
    with pytest.raises(DeviceError, match=r"\(exit status 7\)"):
        apt.run(["sh", "-c", "exit 7"])


def test_a_tool_that_is_not_there_is_named() -> None:
    with pytest.raises(DeviceError, match="fetched with no-such-tool, and"):
        apt.run(["no-such-tool"])


def test_a_mirror_that_is_named_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(apt.MIRROR, "http://mirror.example/debian")
    assert apt._mirror() == "http://mirror.example/debian"


def test_every_path_is_of_the_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(apt.MIRROR, "http://mirror.example/debian")
    key = tmp_path / "key.gpg"
    monkeypatch.setattr(apt, "_KEY", key)
    with pytest.raises(DeviceError, match="debian-archive-keyring"):
        apt.Apt(tmp_path / "apt", "arm64")
    key.touch()
    folder = tmp_path / "apt"
    apt.Apt(folder, "arm64")
    settings = (folder / "apt.conf").read_text()
    assert 'APT::Architecture "arm64";' in settings
    assert f'Dir::State "{folder}";' in settings
    assert f"signed-by={key}" in (folder / "sources.list").read_text()
    assert "bookworm main" in (folder / "sources.list").read_text()
