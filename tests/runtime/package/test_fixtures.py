"""Samples of an application's tests, and what the file gives for them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from edgekit.package import contract, fixtures
from edgekit.package.opened import open_bundle
from edgekit.runtimes import mobile
from edgekit.types import Artifact, TensorSpec
from tests.packages import PREPROCESS, write_bundle
from tests.runtime.conftest import write_tflite


def made(folder: Path, shape: tuple[int, ...], **changes: object) -> fixtures.Fixtures:
    file = folder / "relu.tflite"
    write_tflite(file)
    layout = "NHWC" if len(shape) == 4 else None
    x = TensorSpec(name="x", shape=shape, dtype="float32", layout=layout)
    y = TensorSpec(name="y", shape=(1, 4), dtype="float32")
    artifact = Artifact(
        name="litert-fp32",
        runtime="litert",
        precision="fp32",
        files=(file,),
        inputs=(x,),
        outputs=(y,),
    )
    how = [{**PREPROCESS, "scale": 2.0}]
    bundle = open_bundle(
        write_bundle(folder / "b", [artifact], preprocess=how, **changes)  # type: ignore[arg-type]
    )
    chosen = contract.choose(bundle, None, mobile.known("android"))
    return fixtures.made(bundle, chosen, contract.facts(bundle, chosen))


def test_outputs_are_those_of_the_file_for_prepared_samples(tmp_path: Path) -> None:
    found = made(tmp_path, (1, 4))
    raw, prepared, outputs = found.raw[0], found.prepared[0], found.outputs[0]
    want = (raw / np.float32(2) - np.float32(0.3)) / np.float32(0.4)
    np.testing.assert_array_equal(prepared, want)
    np.testing.assert_array_equal(outputs, np.maximum(prepared, 0))
    np.testing.assert_array_equal(found.answers[:, 0], outputs.argmax(1))
    assert outputs.any() and not outputs.all() and found.picture is None


def test_a_model_without_an_answer_has_none(tmp_path: Path) -> None:
    assert made(tmp_path, (1, 4), task="regression").answers.shape == (3, 0)


def test_a_pictures_file_has_the_pixels_that_stand_beside_it(tmp_path: Path) -> None:
    one = {"name": "x", "network": [3, 4, 6], "image": True, "dtype": "float32"}
    how = {**PREPROCESS, "mean": [0.0] * 3, "std": [1.0] * 3, "color": "bgr"}
    found = fixtures._picture([{**one, "preprocessing": how}])
    assert found is not None
    image = np.asarray(Image.open(io.BytesIO(found.png)))
    assert image.shape == (found.height, found.width, 3)
    unpacked = [(found.argb >> shift) & 255 for shift in (16, 8, 0)]
    np.testing.assert_array_equal(np.stack(unpacked, 1), image.reshape(-1, 3))
    assert (found.argb >> 24 == 255).all() and found.prepared.shape == (1, 72)
