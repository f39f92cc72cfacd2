"""Stored outputs: whole or not there, and damage found."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgekit.distill.kept_outputs import CHUNK, KeptOutputs, fits
from edgekit.errors import OutputError
from tests.unit.distill.stored import COUNT, EXAMPLE, answers, damaged, filled
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
    assert bool(caplog.records) == changed
    for number, (kept, _) in enumerate(again):
        assert torch.equal(kept.take(torch.arange(COUNT)), answers(number))


def test_a_full_disk_leaves_no_half_outputs(tmp_path: Path) -> None:
    kept = KeptOutputs(tmp_path / "one", COUNT, EXAMPLE)
    with file_limit(256), pytest.raises(OutputError, match=str(tmp_path)):
        kept.keep(0, answers(0)[kept.samples(0)])
    assert list((tmp_path / "one").iterdir()) == []
    assert kept.missing() == [0, 1, 2]
    with pytest.raises(ValueError, match="Shard 0 of the outputs is missing"):
        kept.take(torch.arange(2))


@pytest.mark.parametrize("count", [1, CHUNK, COUNT, 64 * CHUNK + 1, 1_281_167])
def test_shards_are_all_samples_once_and_few_files(count: int) -> None:
    kept = KeptOutputs(None, count, EXAMPLE)
    shards = [kept.samples(number) for number in kept.missing()]
    assert torch.equal(torch.cat(shards), torch.arange(count))
    assert len(shards) <= 64
    assert all(len(shard) % CHUNK == 0 for shard in shards[:-1])


def test_workers_that_share_a_folder_write_one_whole_set(tmp_path: Path) -> None:
    """Each its part of the same list, as on two machines; then each reads all of it."""
    folder = tmp_path / "one"
    workers = [KeptOutputs(folder, COUNT, EXAMPLE) for _ in range(2)]
    missing = workers[0].missing()
    for number, worker in enumerate(workers):
        for shard in missing[number::2]:
            worker.keep(shard, answers(0)[worker.samples(shard)])
    assert len(list(folder.iterdir())) == 3
    for worker in workers:
        assert worker.missing() == []
        order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(1))
        assert torch.equal(worker.take(order), answers(0)[order])


def test_rows_of_any_shape_are_kept_in_memory_and_on_disk(tmp_path: Path) -> None:
    for example in (torch.zeros(1), torch.zeros(1, 2, 3)):
        rows = torch.arange(5 * example.numel()).reshape(5, *example.shape[1:]).float()
        for folder in (None, tmp_path / str(example.ndim)):
            kept = KeptOutputs(folder, 5, example)
            kept.keep(0, rows)
            assert torch.equal(kept.take(torch.tensor([4, 0])), rows[[4, 0]])


def test_outputs_that_do_not_fit_are_not_kept(tmp_path: Path) -> None:
    assert fits(tmp_path, 10, EXAMPLE) and fits(None, 10, EXAMPLE)
    assert not fits(tmp_path, 2**50, EXAMPLE) and not fits(None, 2**30, EXAMPLE)
