"""Notes beside PyTorch's own in a `.pt2`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgekit.errors import ModelError
from edgekit.program.program import Program, load
from tests.unit.program.test_program import kept, multiple


def test_a_tie_that_was_kept_trains_as_one(tmp_path: Path) -> None:
    again = kept(multiple(), tmp_path)
    module = again.module
    module(*again.example(2))[0].sum().backward()
    assert module.words.weight is module.out.weight
    assert module.words.weight.grad is not None


@pytest.mark.parametrize(
    "note",
    [
        "{",
        "[]",
        '{"inputs": []}',
        '{"inputs": [{"name": "x", "shape": [9, 9]}]}',
        '{"inputs": [{"name": "x", "shape": [3, 8, 8]}], "tied": [["conv.weight", "no"]]}',
        '{"inputs": [{"name": "x", "shape": [3, 8, 8]}], "tied": [[]]}',
    ],
)
def test_a_note_that_does_not_fit_is_refused(
    program: Program, note: str, tmp_path: Path
) -> None:
    file = tmp_path / "noted.pt2"
    torch.export.save(program.exported(), str(file), extra_files={"edgekit.json": note})
    with pytest.raises(ModelError, match=r"noted\.pt2 .*\(edgekit\.json "):
        load(file)
