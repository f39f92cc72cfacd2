"""`edgekit inspect`."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from edgekit import cli
from tests.unit.test_cli import Run


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edgekit", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


@pytest.fixture
def mine(own_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the user's project to spoil, and the working folder."""
    folder = tmp_path / "mine"
    shutil.copytree(own_project, folder)
    monkeypatch.chdir(folder)
    return folder


def test_inspect_states_the_same_as_a_table_and_as_json(mine: Path, run: Run) -> None:
    status, out, err = run("inspect", "model.py:build", "--input", "3,16,16", "--json")
    assert status == 0, err
    found = json.loads(out)
    assert found["inputs"] == [
        {"name": "input_0", "shape": [3, 16, 16], "dtype": "float32"}
    ]
    assert {group["kind"] for group in found["groups"]} == {"channel"}
    assert [block["id"] for block in found["blocks"]] == ["blocks.0", "blocks.1"]
    status, out, _ = run("inspect")
    assert status == 0
    for group in found["groups"]:
        assert group["id"] in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("model.py:built", "-i", "3,16,16"), ["'build'"]),
        (("model.py:build", "-i", "1,16,16"), ["[1, 16, 16]", "3 channels"]),
        (("model.py:build", "-i", "3,16,16", "--weights", "no.pt"), ["no.pt"]),
        (("model.py:build", "-i", "wide"), ["wide", "3,224,224"]),
    ],
)
def test_inspect_refuses_in_one_line(
    mine: Path, run: Run, arguments: tuple[str, ...], words: list[str]
) -> None:
    status, out, err = run("inspect", *arguments)
    assert status == 2
    assert out == "" and "Traceback" not in err
    assert len(err.strip().splitlines()) == 1, err
    for word in words:
        assert word in err
