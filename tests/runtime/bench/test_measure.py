"""Real launches of real artifacts; assertions are on their structure, never on their speed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.bench.protocol import measure
from edgekit.bench.statistics import speedup
from edgekit.devices.local import LocalDevice
from edgekit.errors import ArtifactError, DataError
from edgekit.evaluate.run import infer
from edgekit.types import Artifact, Quantization, TensorSpec


class Watched(LocalDevice):
    """This machine, noting which file each launch opened."""

    launched: list[str] = []  # noqa: RUF012 - emptied by the test that reads it

    def run(self, job: Any, *, timeout_s: float) -> dict[str, Any]:
        self.launched.append(Path(job["path"]).name)
        return super().run(job, timeout_s=timeout_s)


def artifact(name: str, model: Any) -> Artifact:
    samples = np.zeros((1, *model.input_shape), np.float32)
    outputs = model.reference(samples)
    companion = model.path.with_suffix(".bin")
    return Artifact(
        name=name,
        runtime=model.runtime,
        precision="fp32",
        files=(model.path, companion) if companion.exists() else (model.path,),
        inputs=(TensorSpec(name="x", shape=samples.shape, dtype="float32"),),
        outputs=(TensorSpec(name="y", shape=outputs.shape, dtype="float32"),),
    )


@pytest.mark.slow
def test_launches_take_turns_and_make_one_measurement_each(
    onnx_model: Any, requantizing_model: Any
) -> None:
    device = Watched()
    device.launched.clear()
    progress: list[int] = []
    found = measure(
        [artifact("a", onnx_model), artifact("b", requantizing_model)],
        device,
        tier="quick",
        threads=1,
        on_launch=lambda done, total, _: progress.append(done if total == 6 else -1),
    )
    onnx, tflite = "model.onnx", "requantize.tflite"
    assert device.launched == [onnx, tflite, tflite, onnx, onnx, tflite]
    assert list(dict.fromkeys(progress)) == list(range(7))
    assert set(found) == {"a", "b"}
    for name, one in found.items():
        assert one.artifact == name
        assert (one.device, one.provenance, one.threads) == ("local", "host", 1)
        assert one.latency.launches == len(one.latency.launch_p50_ms) == 3
        assert one.latency.samples >= 300
        assert one.latency.p50_ms is not None
        assert one.latency.p99_ms is not None
        assert one.latency.p90_ms <= one.latency.p95_ms <= one.latency.p99_ms  # type: ignore[operator]
        assert one.latency.ci95_ms is not None
        assert one.latency.launch_cv is not None
        assert one.peak_memory_mb is not None
        assert one.energy.gross_mj is not None or one.energy.reasons
    assert found["a"].runtime_version != found["b"].runtime_version
    assert speedup(found["a"], found["a"]) == 1.0
    assert speedup(found["a"], found["b"]) > 0


def test_outputs_are_the_networks(model: Any) -> None:
    samples = np.random.default_rng(2).standard_normal((5, 4)).astype(np.float32)
    outputs = infer(artifact("tiny", model), samples, LocalDevice())
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, model.reference(samples), rtol=1e-5, atol=1e-6)


def test_integers_at_inputs_and_outputs_are_quantized_as_the_spec_states(
    requantizing_model: Any,
) -> None:
    def stored(name: str, scale: float, zero_point: int) -> TensorSpec:
        return TensorSpec(
            name=name,
            shape=(1, 4),
            dtype="int8",
            quantization=Quantization(scale=scale, zero_point=zero_point),
        )

    one = replace(
        artifact("int8", requantizing_model),
        precision="int8",
        inputs=(stored("x", 0.5, 3),),
        outputs=(stored("y", 0.25, -5),),
    )
    samples = np.array([[0.0, 0.5, -3.0, 12.5], [0.26, 1000, -9, 2]], np.float32)
    expected = [[0.0, 0.5, -3.0, 12.5], [0.5, 33.0, -9.0, 2.0]]
    assert infer(one, samples, LocalDevice()).tolist() == expected


def test_samples_of_another_shape_are_refused(onnx_model: Any) -> None:
    one = artifact("tiny", onnx_model)
    with pytest.raises(DataError, match=r"shape \[4\].*got an array of shape \[2, 5\]"):
        infer(one, np.zeros((2, 5), np.float32), LocalDevice())
    with pytest.raises(DataError, match=r"at least one; got .* \[0, 4\]"):
        infer(one, np.zeros((0, 4), np.float32), LocalDevice())


def test_a_spec_that_belies_the_file_is_an_artifact_error(onnx_model: Any) -> None:
    wrong = (TensorSpec(name="x", shape=(1, 6), dtype="float32"),)
    one = replace(artifact("tiny", onnx_model), inputs=wrong)
    with pytest.raises(ArtifactError, match=r"takes float32 \[1, 4\], got .* \[1, 6\]"):
        infer(one, np.zeros((1, 6), np.float32), LocalDevice())
