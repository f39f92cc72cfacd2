"""`edgekit inspect`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Run


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
