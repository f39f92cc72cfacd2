"""OpenVINO files that end as the file that the network came from."""

from __future__ import annotations

import numpy as np
import openvino

from tests.runtime.runtimes.conftest import Detections


def test_a_complete_file_gives_the_original_outputs(detections: Detections) -> None:
    path = detections.folder / "openvino-fp32-complete.xml"
    model = openvino.Core().compile_model(
        str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    assert ["rows" in model.output(0).names, "scores" in model.output(1).names] == [
        True,
        True,
    ]
    found = model([detections.image])
    theirs = detections.outputs
    count = theirs[0].shape[1]
    # OpenVINO fills rows up to the most that there can be.
    np.testing.assert_allclose(found[0][:, :count], theirs[0], atol=1e-5)
    np.testing.assert_allclose(found[1], theirs[1], atol=1e-5)
