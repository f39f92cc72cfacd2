from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgekit.bench.protocol import TIERS, bench_job, measure, summarise
from edgekit.devices.local import LocalDevice
from edgekit.errors import UsageError
from edgekit.types import Artifact, Measurement


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    file = tmp_path / "model.onnx"
    file.write_bytes(bytes(2**19))
    return Artifact(
        name="student-fp32",
        runtime="onnxruntime",
        precision="fp32",
        files=(file,),
        inputs=(),
        outputs=(),
    )


def launch(median_ms: float = 1.0, **changes: Any) -> dict[str, Any]:
    """A result of a bench job, as the agent writes it."""
    return {
        "runtime_version": "1.31.1",
        "threads": 1,
        "load_ms": 10.0,
        "first_ms": 2.0,
        "samples_ns": [int(median_ms * 1e6)] * 100,
        "complete": True,
        "peak_memory_mb": 60.0,
        "warmup": {"plateau": True},
        "energy": {"gross_mj": None, "reason": "No meter.", "method": "none"},
        "machine": {"emulated": False, "emulation_evidence": "agrees"},
        **changes,
    }


def summary(artifact: Artifact, *launches: dict[str, Any]) -> Measurement:
    plan = TIERS["quick"]
    return summarise(artifact, launches, device=LocalDevice(), plan=plan)


def test_a_steady_run_is_valid(artifact: Artifact) -> None:
    found = summary(artifact, launch(1.0), launch(1.01), launch(0.99))
    assert found.invalid is None
    assert found.latency.p50_ms == 1.0
    assert found.latency.samples == 300
    assert found.size_mb == 0.5
    assert found.source == "host"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"samples_ns": [2_000_000] * 100}, "medians vary by 43%, more than 10%"),
        ({"complete": False}, "1 of 3 launches timed fewer than 100"),
        (
            {"machine": {"emulated": True, "emulation_evidence": "qemu runs it"}},
            "emulated (qemu runs it): no milliseconds hold",
        ),
    ],
)
def test_an_invalid_run_says_why(
    artifact: Artifact, changes: dict[str, Any], words: str
) -> None:
    found = summary(artifact, launch(), launch(**changes), launch())
    assert found.invalid is not None
    assert words in found.invalid


def test_a_restless_warm_up_is_invalid_only_where_it_was_the_rule(
    artifact: Artifact,
) -> None:
    restless = launch(warmup={"plateau": False})
    assert summary(artifact, restless, launch(), launch()).invalid is None
    assert "plateau" in (summary(artifact, restless, restless, restless).invalid or "")


def test_one_missing_figure_makes_the_whole_missing(artifact: Artifact) -> None:
    counted = {"gross_mj": 4.0, "method": "counter", "boundary": "package"}
    found = summary(artifact, launch(energy=counted), launch(peak_memory_mb=None))
    assert found.energy.gross_mj is None
    assert found.energy.method == "none"
    assert found.energy.reason == "No meter."
    assert found.peak_memory_mb is None


def test_energy_of_all_launches_is_their_mean(artifact: Artifact) -> None:
    launches = [
        launch(energy={"gross_mj": mj, "method": "counter", "boundary": "package"})
        for mj in (2.0, 4.0)
    ]
    found = summary(artifact, *launches)
    assert found.energy.gross_mj == 3.0
    assert found.energy.net_mj is None
    assert found.energy.boundary == "package"


def test_a_job_carries_the_tier_and_the_companions(
    artifact: Artifact, tmp_path: Path
) -> None:
    plan = TIERS["report"]
    job = bench_job(artifact, plan, threads=2, seed=7)
    assert job["path"] == str(tmp_path / "model.onnx")
    assert (job["threads"], job["seed"]) == (2, 7)
    assert plan.launches * job["min_runs"] >= 1024
    assert plan.launches * job["min_s"] >= 60


def test_wrong_usage_is_named(artifact: Artifact) -> None:
    with pytest.raises(UsageError, match=r"No benchmark tier 'fast'\. Known: quick, d"):
        measure([artifact], LocalDevice(), tier="fast", threads=1)
    with pytest.raises(UsageError, match="Two artefacts are called 'student-fp32'"):
        measure([artifact, artifact], LocalDevice(), tier="quick", threads=1)
