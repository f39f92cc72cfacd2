"""An artifact and its probing copy, run on the artifact's own runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.bench.artifact import artifact_at
from edgekit.devices.local import LocalDevice
from edgekit.diff import run
from tests.runtime.conftest import TinyModel


def test_the_copy_shows_every_step_and_gives_the_same_outputs(
    onnx_model: TinyModel, tmp_path: Path
) -> None:
    feeds = [np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)]
    one = run.probed(artifact_at(onnx_model.path), tmp_path)
    [whole] = run.answers(one, feeds, LocalDevice())
    np.testing.assert_allclose(whole, onnx_model.reference(feeds[0]), rtol=1e-5)
    [again], shown = run.tensors(one, feeds, LocalDevice())
    np.testing.assert_array_equal(again, whole)
    kinds = {step.kind: shown.get(n) for n, step in enumerate(one.opened.steps)}
    product = kinds["MatMul"]
    assert product is not None and product.min() < 0
    np.testing.assert_allclose(np.maximum(product, 0), whole, rtol=1e-6)


def test_whole_numbers_are_shown_as_real_ones(
    requantizing_model: TinyModel, tmp_path: Path
) -> None:
    one = run.probed(artifact_at(requantizing_model.path), tmp_path)
    samples = np.float32([[-1, 0, 2, 3.5]])
    [found] = run.answers(one, [samples], LocalDevice())
    assert found == pytest.approx(samples)
