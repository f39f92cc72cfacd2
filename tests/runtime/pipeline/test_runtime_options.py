"""Settings reach the runtime, and go with the file that they were found best for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from edgekit.bench.artifact import artifact_at
from edgekit.bench.protocol import bench_job, tier_called
from edgekit.devices.local import LocalDevice
from edgekit.errors import EdgeKitError
from edgekit.evaluate.run import infer
from edgekit.export.workers import export_all
from edgekit.package import bundle
from edgekit.pipeline.runners import BenchRunner
from edgekit.pipeline.runtime_options import (
    _alternatives,
    _time,
)
from edgekit.program.program import trace
from edgekit.progress import Silent
from edgekit.types import Artifact, InputSpec, Preprocess, RuntimeOptions
from tests import reports

OFF = RuntimeOptions(options={"xnnpack": False})


PROJECT = """\
[model]
source = "student.pt2"
[data]
train = "data.npz"
test  = "data.npz"
[data.preprocess]
scale = 1
[task]
kind = "classification"
"""


def runner(threads: int) -> BenchRunner:
    return BenchRunner(
        device=LocalDevice(), progress=Silent(), tier="quick", threads=threads
    )


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    program = trace(nn.Sequential(nn.Linear(8, 4)), (InputSpec(shape=(8,)),))
    folder = tmp_path_factory.mktemp("tune")
    [made] = export_all(program, [("litert", "fp32")], calibration=None, folder=folder)
    return made


@pytest.mark.parametrize("name", ["litert", "onnxruntime", "openvino"])
def test_every_setting_that_is_tried_is_one_of_the_runtimes(name, tmp_path) -> None:
    program = trace(nn.Sequential(nn.Linear(8, 4)), (InputSpec(shape=(8,)),))
    [made] = export_all(program, [(name, "fp32")], calibration=None, folder=tmp_path)
    bench = runner(threads=2)
    tried = _alternatives(made, threads=2)
    assert tried
    for settings in tried:
        assert _time(bench, made, settings, 0) is not None


def test_each_setting_is_timed_or_refused(artifact) -> None:
    bench = runner(threads=1)
    for settings in (RuntimeOptions(), OFF):
        taken = _time(bench, artifact, settings, 0)
        assert taken is not None and taken > 0
    unknown = RuntimeOptions(options={"xnpack": False})
    with pytest.raises(EdgeKitError, match=r"no option 'xnpack'. Known: xnnpack"):
        _time(bench, artifact, unknown, 0)


def test_without_the_delegate_the_operators_are_litert_s_own(artifact) -> None:
    from edgekit.agent.runtimes import find, open_model, settings

    runtime, _ = find("litert")
    for wanted in (True, False):
        options = settings(runtime, {"xnnpack": wanted})
        session = open_model(runtime, str(artifact.files[0]), 1, options)
        assert session.delegated() == wanted  # type: ignore[attr-defined]


def test_a_bundles_model_is_measured_with_its_settings(
    artifact, tmp_path: Path
) -> None:
    chosen = bundle.place(replace(artifact, settings=OFF), tmp_path, stem="model")
    contract = bundle.IOContract(
        inputs=artifact.inputs, outputs=artifact.outputs, preprocess=Preprocess(scale=1)
    )
    bundle.write_manifest(
        tmp_path,
        report=reports.report(),
        chosen=chosen,
        contract=contract,
        source_hash="ab" * 32,
        versions={},
    )
    model = tmp_path / "model.tflite"
    found = artifact_at(model)
    assert found.settings == OFF
    job = bench_job(found, tier_called("quick"), threads=1, seed=0)
    assert job["options"] == {"xnnpack": False}
    other = tmp_path / "other.tflite"
    other.write_bytes(model.read_bytes())
    assert artifact_at(other).settings == RuntimeOptions()


def test_outputs_are_taken_with_the_settings(artifact) -> None:
    samples = np.ones((2, 8), np.float32)
    plain = infer(artifact, samples, LocalDevice())
    tuned = infer(replace(artifact, settings=OFF), samples, LocalDevice())
    assert np.allclose(plain, tuned, atol=1e-5)
    broken = replace(artifact, settings=RuntimeOptions(options={"none": 1}))
    with pytest.raises(EdgeKitError, match="no option 'none'"):
        infer(broken, samples, LocalDevice())
