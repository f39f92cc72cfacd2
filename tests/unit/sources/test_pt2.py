"""Networks that torch.export saved."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from edgekit import sources
from edgekit.errors import ModelError
from edgekit.program.program import Program, trace
from edgekit.sources import pt2
from edgekit.types import InputSpec, ModelSpec


def saved(path: Path) -> Program:
    """A small network, written to `path`."""
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(64, 3)).eval()
    program = trace(network, (InputSpec(shape=(1, 6, 6)),))
    program.save(path)
    return program


def failure(root: Path, **model: object) -> str:
    with pytest.raises(ModelError) as caught:
        sources.load(ModelSpec(**model), root=root)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_saved_program_gives_its_outputs(tmp_path: Path) -> None:
    program = saved(tmp_path / "net.pt2")
    loaded = sources.load(ModelSpec(source="net.pt2"), root=tmp_path)
    x = torch.randn(4, 1, 6, 6)
    assert torch.equal(loaded.module(x), program.module(x))


def test_another_input_shape_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "net.pt2")
    message = failure(tmp_path, source="net.pt2", input=InputSpec(shape=(1, 9, 9)))
    assert "[1, 6, 6]" in message
    assert "[1, 9, 9]" in message


def test_files_that_are_absent_or_damaged_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.pt2").write_bytes(b"zip?")
    assert "bad.pt2" in failure(tmp_path, source="bad.pt2")
    message = failure(tmp_path, source="none.pt2")
    assert "No file" in message
    assert "none.pt2" in message


def test_a_file_of_another_name_is_recognized_by_its_content(tmp_path: Path) -> None:
    program = saved(tmp_path / "net.pt2")
    (tmp_path / "net.pt2").rename(tmp_path / "network.bin")
    loaded = sources.load(ModelSpec(source="network.bin"), root=tmp_path)
    x = torch.randn(2, 1, 6, 6)
    assert torch.equal(loaded.module(x), program.module(x))


def test_other_files_are_not_recognized(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "weights.pt")
    (tmp_path / "text.bin").write_text("PK")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in (
        "weights.pt",
        "text.bin",
        "folder",
        "pipe",
        "absent",
        "a\0b",
        "x" * 999,
    ):
        assert not pt2.RECORD.recognizes(name, tmp_path)


class Rows(nn.Module):
    """A row of any length, in parts that its length decides."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Conv1d(3, 4, 3, padding=1), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = self.layer(x).relu()
        return self.head(seen.reshape(-1, 4, x.shape[2] * 1).mean(2))


@pytest.mark.parametrize("length", [None, 11])
def test_sizes_that_a_file_leaves_free_are_fixed_and_said(
    tmp_path: Path, length: int | None
) -> None:
    network, dims = Rows().eval(), {0: torch.export.Dim("n"), 2: torch.export.Dim("w")}
    traced = torch.export.export(
        network, (torch.randn(2, 3, 7),), dynamic_shapes=(dims,)
    )
    torch.export.save(traced, tmp_path / "net.pt2")
    asked = None if length is None else InputSpec(shape=(3, length))
    program = sources.load(ModelSpec(source="net.pt2", input=asked), root=tmp_path)
    assert [one.shape for one in program.inputs] == [(3, length or 7)]
    assert f"leaves some free: 'x' [3, {length or 7}]" in program.remarks[-1]
    x = torch.randn(5, 3, length or 7)
    torch.testing.assert_close(program.module(x), network(x))
    shapes = [
        n.meta["val"].shape for n in program.module.graph.nodes if "val" in n.meta
    ]
    assert all(isinstance(size, int) for shape in shapes for size in shape[1:])
    message = failure(tmp_path, source="net.pt2", input=InputSpec(shape=(4, 7)))
    assert "[3, 7]" in message and "[4, 7]" in message
    with pytest.raises(
        ModelError, match=r"takes input shape \[3, 8\].* \[2, 8\] is given"
    ):
        other = [InputSpec(shape=(2, 8))]
        sources.load(ModelSpec(source="net.pt2"), root=tmp_path, inputs=other)
