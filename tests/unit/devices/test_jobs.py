"""Jobs are built in one place, of the agent's own types, with one version."""

from __future__ import annotations

import ast
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import edgekit
from edgekit.agent import schema
from edgekit.devices import jobs
from edgekit.types import Artifact, RuntimeOptions

PACKAGE = Path(edgekit.__file__).parent
HOME = PACKAGE / "devices" / "jobs.py"
AGENT = PACKAGE / "agent"
"""It stands alone: it writes results, and its server calls the jobs' functions itself."""


def literals(path: Path) -> Iterator[dict[str, ast.expr]]:
    """Every dict display of a file: its constant keys with their values."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Dict):
            yield {
                key.value: value
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant) and isinstance(key.value, str)
            }


def is_job(literal: dict[str, ast.expr]) -> bool:
    kind = literal.get("kind")
    return isinstance(kind, ast.Constant) and kind.value in schema.KINDS


def test_no_job_is_written_out_elsewhere() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}: a {ast.unparse(literal['kind'])} job"
        for path in PACKAGE.rglob("*.py")
        if path != HOME and AGENT not in path.parents
        for literal in literals(path)
        if is_job(literal)
    ]
    assert not found, "build it with edgekit.devices.jobs: " + "; ".join(found)


def test_the_scan_sees_a_job(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text('job = {"kind": "microbenchmark", "models": []}')
    assert [is_job(one) for one in literals(tmp_path / "x.py")] == [True]


def test_the_version_is_written_once() -> None:
    """As `SCHEMA = 1` in the schema; no job or result has a number of its own."""
    numbers = [
        path
        for path in PACKAGE.rglob("*.py")
        for literal in literals(path)
        if "kind" in literal and isinstance(literal.get("schema"), ast.Constant)
    ]
    assert numbers == []
    source = (AGENT / "schema.py").read_text(encoding="utf-8")
    assert source.count("\nSCHEMA = ") == 1
    assert [
        path
        for path in AGENT.rglob("*.py")
        if "\nSCHEMA = " in path.read_text(encoding="utf-8")
    ] == [AGENT / "schema.py"]


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return Artifact(
        name="student-fp32",
        runtime="openvino",
        precision="fp32",
        files=(tmp_path / "m.xml", tmp_path / "m.bin"),
        inputs=(),
        outputs=(),
        runtime_options=RuntimeOptions(
            threads=3, options={"ENABLE_CPU_PINNING": False}
        ),
    )


def built(artifact: Artifact) -> dict[type, schema.Job]:
    file = Path("x.npz")
    return {
        schema.BenchJob: jobs.bench(artifact, threads=1, seed=4),
        schema.EnergyJob: jobs.energy(artifact, threads=1, windows=2),
        schema.InferJob: jobs.infer(artifact, inputs=file, outputs=file),
        schema.MicrobenchmarkJob: jobs.microbenchmark(
            "litert", [file], threads=2, rounds=0
        ),
        schema.ProbeJob: jobs.probe("litert"),
        schema.ProfileJob: jobs.profile(artifact, threads=1, models=[file]),
        schema.VerifyJob: jobs.verify(artifact),
    }


def test_every_kind_has_a_constructor_that_gives_its_type(artifact: Artifact) -> None:
    found = built(artifact)
    assert sorted(job["kind"] for job in found.values()) == sorted(schema.KINDS)
    for kind, job in found.items():
        assert set(job) <= set(typing.get_type_hints(kind)), kind
        assert job["schema"] == schema.SCHEMA
        assert kind.__name__ == f"{job['kind'].capitalize()}Job"


def test_a_job_of_an_artifact_runs_it_by_its_own_options(artifact: Artifact) -> None:
    """Whatever is found out of it is then of the file as it will be run."""
    weights = str(artifact.files[1])
    for job in built(artifact).values():
        if "path" in job:
            assert job["path"] == str(artifact.files[0])
            assert job["companions"] == [weights]
            assert job["options"] == {"ENABLE_CPU_PINNING": False}
    assert jobs.bench(artifact, threads=1)["threads"] == 3


def test_paths_do_not_depend_on_the_folder(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    job = jobs.microbenchmark("litert", [Path("a.tflite")], threads=1)
    assert job["models"] == [str(tmp_path / "a.tflite")]
