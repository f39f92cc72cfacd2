"""Settings reach the runtime, and go with the file that they were found best for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.bench.artifact import artifact_at
from edgekit.bench.protocol import bench_job, tier_called
from edgekit.bench.statistics import speedup
from edgekit.bench.tiers import TIERS
from edgekit.config import project, targets
from edgekit.devices.local import LocalDevice
from edgekit.errors import ArtifactError, EdgeKitError
from edgekit.evaluate.run import infer
from edgekit.export.workers import Variant, export_all
from edgekit.package import bundle
from edgekit.pipeline import runtime_options
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.evaluate import (
    Benchmark,
    Contest,
    EvaluationInputs,
    benchmark,
    evaluate_artifacts,
)
from edgekit.pipeline.loading import load
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.runners import BenchRunner
from edgekit.pipeline.runtime_options import (
    _alternatives,
    _time,
    tune_runtime_options,
)
from edgekit.program.program import Program, trace
from edgekit.progress import Silent
from edgekit.store import Store
from edgekit.types import Artifact, InputSpec, Preprocess, RuntimeOptions
from edgekit.types.export_notes import RuntimeOptionsTried
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
    for expected in (True, False):
        options = settings(runtime, {"xnnpack": expected})
        session = open_model(runtime, str(artifact.files[0]), 1, options)
        assert session.delegated() == expected  # type: ignore[attr-defined]


def test_a_bundles_model_is_measured_with_its_settings(
    artifact, tmp_path: Path
) -> None:
    chosen = bundle.place(
        replace(artifact, runtime_options=OFF), tmp_path, stem="model"
    )
    contract = bundle.IOContract(
        inputs=artifact.inputs,
        outputs=artifact.outputs,
        preprocess=(Preprocess(scale=1),),
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
    assert found.runtime_options == OFF
    job = bench_job(found, tier_called("quick"), threads=1, seed=0)
    assert job["options"] == {"xnnpack": False}
    other = tmp_path / "other.tflite"
    other.write_bytes(model.read_bytes())
    assert artifact_at(other).runtime_options == RuntimeOptions()


def test_outputs_are_taken_with_the_settings(artifact) -> None:
    samples = np.ones((2, 8), np.float32)
    plain = infer(artifact, samples, LocalDevice())
    tuned = infer(replace(artifact, runtime_options=OFF), samples, LocalDevice())
    assert np.allclose(plain, tuned, atol=1e-5)
    broken = replace(artifact, runtime_options=RuntimeOptions(options={"none": 1}))
    with pytest.raises(EdgeKitError, match="no option 'none'"):
        infer(broken, samples, LocalDevice())


class Gaining(LocalDevice):
    """This machine, on which settings beside the defaults take a hundredth of their time."""

    def run(self, job: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        found = super().run(job, timeout_s=timeout_s)
        if job["kind"] == "microbenchmark" and job["options"]:
            for row in found["results"]:
                row["us"] /= 100
        return found


class Refusing(Gaining):
    """The same, on which no file gives outputs with them."""

    def run(self, job: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        if job["kind"] == "infer" and job["options"]:
            raise ArtifactError("refused with these options")
        return super().run(job, timeout_s=timeout_s)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """One candidate, tried once; timings as short as they can be."""
    monkeypatch.setattr(runtime_options, "BEST", 1)
    monkeypatch.setattr(runtime_options, "TURNS", 1)
    short = replace(
        TIERS["quick"], launches=1, warmup_min_s=0.01, min_s=0.01, min_runs=20
    )
    monkeypatch.setitem(TIERS, "quick", short)  # type: ignore[index]


def proved(
    folder: Path, device: LocalDevice
) -> tuple[Contest, EvaluationInputs, Benchmark, Program]:
    """A network in fp32 and fp16 beside itself, timed in a first run."""
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(64, 3)
    program = trace(nn.Sequential(*layers), (InputSpec(shape=(1, 6, 6)),))
    x = np.random.default_rng(0).normal(size=(60, 1, 6, 6)).astype(np.float32)
    with torch.no_grad():
        y = program.module(torch.from_numpy(x)).argmax(1).numpy()
    np.savez(folder / "data.npz", x=x, y=y)
    program.save(folder / "student.pt2")
    (folder / "edgekit.toml").write_text(PROJECT)
    request = BuildRequest(project=project.load(folder), target=targets.load("host"))
    env = Environment(device=device, store=Store(folder / "store"), progress=Silent())
    loaded = load(request, env, {})
    forms: list[Variant] = [("litert", "fp32"), ("litert", "fp16")]
    made = export_all(program, forms, calibration=None, folder=folder / "made")
    unpruned = replace(made[0], name="unpruned-litert-fp32")
    contest = Contest.of(request, env, loaded.reference, (unpruned,))
    evaluation = EvaluationInputs.of(request, env, loaded)
    found = evaluate_artifacts(evaluation, program, made)
    return contest, evaluation, benchmark(contest, found), program


def test_speed_ups_and_baselines_are_of_one_run(tmp_path: Path, tried: None) -> None:
    contest, evaluation, measured, program = proved(
        tmp_path, Gaining(provenance="device")
    )
    tuned = tune_runtime_options(contest, evaluation, measured, lambda _: program, 60)
    settings = [candidate.artifact.runtime_options for candidate in tuned.candidates]
    assert settings.count(OFF) == 1
    [baseline], [before] = tuned.unpruned, measured.unpruned
    assert baseline.artifact == before.artifact
    assert baseline.latency != before.latency
    for candidate in tuned.candidates:
        found = speedup(baseline, candidate.measurement, own_threads=True)
        assert candidate.speedup == found
    assert len(tuned.candidates) == 2
    assert [candidate.chosen for candidate in tuned.candidates].count(True) == 1


def test_settings_that_give_no_outputs_lose_no_file(
    tmp_path: Path, tried: None
) -> None:
    contest, evaluation, measured, program = proved(
        tmp_path, Refusing(provenance="device")
    )
    kept = tune_runtime_options(contest, evaluation, measured, lambda _: program, 60)
    assert kept.candidates == measured.candidates
    assert kept.unpruned == measured.unpruned
    for candidate in kept.candidates:
        assert all(file.is_file() for file in candidate.artifact.files)
    [note] = kept.notes
    assert isinstance(note, RuntimeOptionsTried)
    assert note.kept == RuntimeOptions()
