from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.devices.local import LocalDevice
from edgekit.errors import DataError
from edgekit.evaluate.run import infer, taken
from edgekit.types import Artifact, TensorSpec


def test_what_an_artifact_cannot_hold_is_an_error_of_the_data() -> None:
    tokens = TensorSpec(name="ids", shape=(1, 2), dtype="int32")
    file = Artifact(
        name="onnxruntime-fp32",
        runtime="onnxruntime",
        precision="fp32",
        files=(Path("x"),),
        inputs=(tokens,),
        outputs=(),
    )
    with pytest.raises(DataError, match=f"'ids' takes int32.*{2**31}"):
        infer(file, np.array([[0, 2**31]]), LocalDevice())


def test_a_task_reads_its_outputs_wherever_they_are() -> None:
    boxes, scores = np.ones((2, 5, 4), np.float32), np.zeros((2, 5, 3), np.float32)
    assert (taken([scores, boxes], ()) == scores).all()
    assert (taken([scores, boxes], (1,)) == boxes).all()
    both = taken([scores, boxes], (1, 0))
    assert both.shape == (2, 5, 7) and (both[..., :4] == boxes).all()
