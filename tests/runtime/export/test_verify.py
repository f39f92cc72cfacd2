"""Files compared with their network."""

from __future__ import annotations

import pytest
import torch

from edgekit.export.workers import export_all
from edgekit.types import Artifact
from tests.runtime.export.apart import cosine, relative_error, run
from tests.runtime.export.test_workers import VARIANTS


@pytest.fixture(scope="module")
def exported(
    convolutional_network, tmp_path_factory
) -> tuple[list[Artifact], list[str]]:
    program, samples = convolutional_network
    done: list[str] = []
    artifacts = export_all(
        program,
        VARIANTS,
        calibration=samples,
        folder=tmp_path_factory.mktemp("exported") / "candidates",
        on_done=done.append,
    )
    return artifacts, done


def test_each_gives_what_the_network_gives(
    exported, apart, convolutional_network
) -> None:
    program, samples = convolutional_network
    with torch.no_grad():
        want = program.module(torch.from_numpy(samples)).numpy()
    for artifact in exported[0]:
        (got,) = apart.submit(run, artifact, (samples,)).result()
        if artifact.precision == "fp32":
            assert relative_error(got, want) < 1e-4, artifact.name
        else:
            assert cosine(got, want) >= 0.98, artifact.name
