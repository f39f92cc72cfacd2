"""The teacher's outputs: averaged, and stored."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from edgekit.distill.features import FeatureExtractor, ModelOutputs
from edgekit.distill.processes import Processes
from edgekit.distill.teacher import (
    CHUNK,
    KeptOutputs,
    Teacher,
    packed,
    shapes_of,
    unpacked,
)
from edgekit.errors import OutputError
from edgekit.program.program import trace
from edgekit.types import InputSpec
from tests.unit.distill.stored import (
    _ZEROS,
    COUNT,
    EXAMPLE,
    answers,
    damaged,
    filled,
)
from tests.unit.store.test_entries import file_limit


@pytest.mark.parametrize("seed", range(70))
def test_damaged_outputs_are_computed_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for number, folder in enumerate(folders):
        assert filled(folder, number)[1] == 3
        assert filled(folder, number)[1] == 0
    files = sorted(file for folder in folders for file in folder.iterdir())
    changed = damaged(files, seed)
    again = [filled(folder, number) for number, folder in enumerate(folders)]
    assert bool(sum(computed for _, computed in again)) == changed
    # Digests that are zeros are of chunks that nobody has computed: nothing to speak of.
    assert bool(caplog.records) == changed or seed % 7 == _ZEROS
    for number, (kept, _) in enumerate(again):
        assert torch.equal(kept.take(torch.arange(COUNT)), answers(number))


def test_a_chunk_that_somebody_was_killed_in_is_computed_again(tmp_path: Path) -> None:
    kept, _ = filled(tmp_path / "one", 0)
    kept._values[CHUNK] += 1  # written, and its digest is not
    kept, computed = filled(tmp_path / "one", 0)
    assert computed == 1
    assert torch.equal(kept.take(torch.arange(COUNT)), answers(0))


def test_a_full_disk_leaves_no_half_outputs(tmp_path: Path) -> None:
    with file_limit(256), pytest.raises(OutputError, match=str(tmp_path)):
        KeptOutputs(tmp_path / "one", COUNT, EXAMPLE)
    assert list((tmp_path / "one").iterdir()) == []


def test_outputs_are_averaged_by_weight() -> None:
    torch.manual_seed(0)
    programs = [trace(nn.Linear(4, 3), (InputSpec(shape=(4,)),)) for _ in range(2)]
    seen = [FeatureExtractor(program.module) for program in programs]
    x = torch.randn(5, 4)
    one, other = (program.module(x) for program in programs)
    even = Teacher(seen, Processes()).compute((x,)).output
    torch.testing.assert_close(even, (one + other) / 2)
    uneven = Teacher(seen, Processes(), (1.0, 3.0)).compute((x,)).output
    torch.testing.assert_close(uneven, 0.25 * one + 0.75 * other)


def test_several_outputs_are_kept_as_one_row_and_come_back_whole() -> None:
    answer = ModelOutputs(
        output=torch.randn(3, 5), others=(torch.randn(3, 2, 4), torch.randn(3))
    )
    rows = packed(answer)
    assert rows.shape == (3, 5 + 8 + 1)
    again = unpacked(rows, shapes_of(answer))
    assert torch.equal(again.output, answer.output)
    for ours, theirs in zip(again.others, answer.others, strict=True):
        assert torch.equal(ours, theirs)
    alone = ModelOutputs(output=torch.randn(3, 2, 4))
    assert packed(alone) is alone.output
    assert unpacked(alone.output, shapes_of(alone)).output is alone.output
