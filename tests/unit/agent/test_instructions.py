"""The count of an emulator's plugin."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from edgekit.agent.errors import AgentError
from edgekit.agent.instructions import VARIABLE, counter


def test_the_count_is_read_from_the_mapped_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "count"
    file.write_bytes(struct.pack("=Q", 12))
    monkeypatch.setenv(VARIABLE, str(file))
    clock = counter()
    assert clock() == 12
    with file.open("r+b") as opened:
        opened.write(struct.pack("=Q", 2**40 + 1))
    assert clock() == 2**40 + 1


def test_without_an_emulator_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(AgentError, match="emulated process only"):
        counter()
