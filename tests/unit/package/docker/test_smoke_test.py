"""The core and the sample that a new image is tried with."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from edgekit.package.docker import smoke_test
from edgekit.package.docker.image import FAMILIES
from edgekit.package.opened import Bundle


@pytest.mark.parametrize(
    ("cpu", "platform", "core"),
    [
        ("cortex-a76", "linux/arm64", "cortex-a76"),
        ("cortex-a76", "linux/arm/v7", "cortex-a7"),
        ("host", "linux/arm64", "cortex-a72"),
        (None, "linux/arm64", "cortex-a72"),
    ],
)
def test_the_core_is_the_targets_where_the_image_is_for_it(
    bundle: Bundle, cpu: str | None, platform: str, core: str
) -> None:
    target = {**bundle.report["target"], "cpu": cpu}
    own = replace(bundle, report={**bundle.report, "target": target})
    assert smoke_test._core(FAMILIES[platform], own) == core


@pytest.mark.parametrize(
    ("layout", "shape"), [("NHWC", (3, 8, 6)), (None, (8, 6, 3)), ("NCHW", (8, 6, 3))]
)
def test_the_sample_is_zeros_as_the_network_takes_them(
    bundle: Bundle, layout: str | None, shape: tuple[int, ...]
) -> None:
    given = [{"name": "x", "shape": [1, 8, 6, 3], "layout": layout}]
    contract = {**bundle.manifest["contract"], "inputs": given}
    own = replace(bundle, manifest={**bundle.manifest, "contract": contract})
    sample = np.load(io.BytesIO(smoke_test._sample(own)))
    assert sample.shape == shape and sample.dtype == np.float32 and not sample.any()
