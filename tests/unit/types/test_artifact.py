"""Sizes and losses of artifacts."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.types import Artifact
from edgekit.types.artifact import holds


def test_the_size_is_that_of_all_files(tmp_path: Path) -> None:
    files = (tmp_path / "model.xml", tmp_path / "model.bin")
    for file, size in zip(files, (2**10, 2**20), strict=True):
        file.write_bytes(bytes(size))
    one = Artifact(
        name="model",
        runtime="openvino",
        precision=None,
        files=files,
        inputs=(),
        outputs=(),
    )
    assert one.size_bytes == 2**20 + 2**10
    assert one.size_mb == pytest.approx(1 + 1 / 1024)


@pytest.mark.parametrize(
    ("lost", "expected"),
    [(0.01, True), (0.0100000001, True), (0.011, False), (-1.0, True)],
)
def test_a_loss_holds_up_to_rounding(lost: float, expected: bool) -> None:
    assert holds(lost, allowed=0.01) is expected
