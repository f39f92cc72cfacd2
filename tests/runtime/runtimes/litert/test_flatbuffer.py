"""Files of the quantizer, corrected."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.devices.local import LocalDevice
from edgekit.evaluate.run import infer
from edgekit.runtimes.contract import embed, read
from edgekit.runtimes.litert import flatbuffer
from edgekit.runtimes.litert.quantizer import plain_interpreter
from edgekit.types import (
    Artifact,
)
from tests.runtime.export.digits import Digits
from tests.runtime.export.test_ends import LARGE


def test_a_file_of_many_constants_runs_with_its_contract_inside(
    whole: dict[str, Artifact], digits: Digits
) -> None:
    artifact = whole["litert-int8"]
    assert artifact.files[0].stat().st_size > LARGE
    raw, _ = digits[1].unprepared().arrays()
    before = infer(artifact, raw[:8], LocalDevice())
    lines = {"inputs": [asdict(artifact.inputs[0])], "outputs": [], "labels": ["a"]}
    embed(artifact.files[0], lines)
    assert read(artifact.files[0]) == json.loads(json.dumps(lines))
    np.testing.assert_array_equal(infer(artifact, raw[:8], LocalDevice()), before)


def test_scales_along_the_wrong_dimension_are_put_right(
    whole: dict[str, Artifact], digits: Digits, tmp_path: Path
) -> None:
    """As the AI Edge Quantizer leaves a bias of shape (1, n)."""
    artifact = whole["litert-int8"]
    content = artifact.files[0].read_bytes()
    model = flatbuffer.unpacked(content)
    [bias] = [
        t for t in model.subgraphs[0].tensors if list(t.shape) == [1200] and t.type == 2
    ]
    bias.shape = np.array([1, 1200], np.int32)
    spoiled = flatbuffer.packed(model, len(content))
    with pytest.raises(ValueError, match="num_scales"):
        plain_interpreter(spoiled)
    path = tmp_path / "mended.tflite"
    path.write_bytes(flatbuffer.mended(spoiled))
    raw, _ = digits[1].unprepared().arrays()
    answers = [
        infer(replace(artifact, files=files), raw[:8], LocalDevice())
        for files in (artifact.files, (path,))
    ]
    np.testing.assert_array_equal(*answers)
    assert flatbuffer.mended(content) == content
