"""Samples of an application's tests, and what the file gives for them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.agent.serving.boxes import HEADS, detections
from edgekit.package import box_steps, contract, fixtures
from edgekit.package.opened import open_bundle
from edgekit.runtimes import mobile
from tests.heads import case
from tests.packages import PREPROCESS
from tests.runtime.package.relu import tiny_bundle


def made(folder: Path, **changes: object) -> fixtures.Fixtures:
    how = [{**PREPROCESS, "scale": 2.0}]
    bundle = open_bundle(tiny_bundle(folder, preprocess=how, **changes))
    chosen = contract.choose(bundle, None, mobile.known("android"))
    return fixtures.made(bundle, chosen, contract.facts(bundle, chosen))


def test_outputs_are_those_of_the_file_for_prepared_samples(tmp_path: Path) -> None:
    found = made(tmp_path)
    raw, prepared, outputs = found.raw[0], found.prepared[0], found.outputs[0]
    want = (raw / np.float32(2) - np.float32(0.3)) / np.float32(0.4)
    np.testing.assert_array_equal(prepared, want)
    np.testing.assert_array_equal(outputs, np.maximum(prepared, 0))
    np.testing.assert_array_equal(found.answers[:, 0], outputs.argmax(1))
    assert outputs.any() and not outputs.all() and found.picture is None


def test_a_model_without_an_answer_has_none(tmp_path: Path) -> None:
    assert made(tmp_path, task="regression").answers.shape == (3, 0)


def test_a_pictures_file_has_the_pixels_that_stand_beside_it(tmp_path: Path) -> None:
    one = {"name": "x", "network": [3, 4, 6], "image": True, "dtype": "float32"}
    how = {**PREPROCESS, "mean": [0.0] * 3, "std": [1.0] * 3, "color": "bgr"}
    how["fit"] = "stretch"
    found = fixtures._picture([{**one, "preprocessing": how}])
    assert found is not None
    image = np.asarray(Image.open(io.BytesIO(found.png)))
    assert image.shape == (found.height, found.width, 3)
    unpacked = [(found.argb >> shift) & 255 for shift in (16, 8, 0)]
    np.testing.assert_array_equal(np.stack(unpacked, 1), image.reshape(-1, 3))
    assert (found.argb >> 24 == 255).all() and found.prepared.shape == (1, 72)


@pytest.mark.parametrize("head", HEADS)
def test_boxes_are_those_of_numbers_that_hold_some(head: str) -> None:
    how = case(head, 1).how
    shape = case(head, fixtures.SAMPLES).outputs.shape
    steps = box_steps.of(how, [(1, *shape[1:])], 3)
    drawn = fixtures._drawn([np.zeros(shape)], steps["scores"])
    facts = {"outputs": [{"name": "y"}], "reads": [], "decoder": steps}
    rows = fixtures._boxes(facts, how, drawn).reshape(fixtures.SAMPLES, 20, 6)
    for row, values in zip(rows, drawn[0], strict=True):
        want = detections(values, how)
        count = len(want.scores)
        assert count and (row[count:] == -1).all()
        np.testing.assert_array_equal(row[:count, :4], want.boxes.astype(np.float32))
        np.testing.assert_array_equal(row[:count, 5], want.classes)
