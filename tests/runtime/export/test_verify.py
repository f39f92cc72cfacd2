"""Files compared with their network."""

from __future__ import annotations

import torch

from tests.runtime.export.apart import cosine, relative_error, run


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
