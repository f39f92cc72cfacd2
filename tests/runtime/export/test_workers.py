"""All formats at once, in processes that may fail, crash or be interrupted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from edgekit.errors import OutputError
from edgekit.export.workers import artifact_name, export_all
from edgekit.program.program import Program, trace
from edgekit.types import InputSpec
from tests.processes import below
from tests.runtime.export.conftest import VARIANTS

NAMES = [artifact_name(*variant) for variant in VARIANTS]


def workers() -> list[psutil.Process]:
    """Workers that run now, started here."""
    return below(" edgekit.export.worker ")


def test_artifacts_come_in_the_order_requested(exported) -> None:
    artifacts, done = exported
    assert [artifact.name for artifact in artifacts] == NAMES
    assert sorted(done) == sorted(NAMES)
    assert [(a.runtime, a.precision) for a in artifacts] == [
        each[:2] for each in VARIANTS
    ]


def test_the_folder_holds_them_and_nothing_else(exported) -> None:
    artifacts, _ = exported
    files = [file for artifact in artifacts for file in artifact.files]
    assert set(files[0].parent.iterdir()) == set(files)
    assert files[0].name == "openvino-int8-narrow.xml"
    assert not workers()


class Unsupported(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(x)


@pytest.fixture(scope="module")
def unsupported() -> Program:
    return trace(Unsupported(), (InputSpec(shape=(4,)),))


def test_a_folder_that_cannot_be_made_is_named(
    convolutional_network, tmp_path: Path
) -> None:
    program, samples = convolutional_network
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"Cannot write to .*file/out \(Not a dir"):
        export_all(
            program,
            [("litert", "fp32")],
            calibration=np.asarray(samples),
            folder=tmp_path / "file" / "out",
        )
