from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgekit.bench.protocol import bench_job, measure, summarize
from edgekit.bench.tiers import TIERS, tailored
from edgekit.devices.local import LocalDevice
from edgekit.errors import UsageError
from edgekit.report import measurement_words
from edgekit.types import Artifact, Measurement
from edgekit.types.measurement_notes import NoPlateau, Unready


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


def look(**changes: Any) -> dict[str, Any]:
    """One look at a machine that reports nothing but `changes`."""
    silent = dict.fromkeys(
        (
            "governor",
            "freq_mhz",
            "temp_c",
            "throttled",
            "throttle_count",
            "quota_stalls",
        )
    )
    return {**silent, "load": None, "on_battery": None, "at_ns": 0, **changes}


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
        "refused": None,
        "instructions": None,
        "summary": None,
        "trace": [look(), look()],
        "machine": {"emulated": False, "emulation_evidence": "agrees"},
        **changes,
    }


def summary(artifact: Artifact, *launches: dict[str, Any]) -> Measurement:
    plan = TIERS["quick"]
    return summarize(artifact, launches, device=LocalDevice(), plan=plan)


def test_a_steady_run_is_valid(artifact: Artifact) -> None:
    found = summary(artifact, launch(1.0), launch(1.01), launch(0.99))
    assert found.invalid == ()
    assert found.latency.p50_ms == 1.0
    assert found.latency.samples == 300
    assert found.size_mb == 0.5
    assert found.provenance == "host"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"samples_ns": [2_000_000] * 100}, "medians vary by 43%, more than 10%"),
        ({"complete": False}, "1 of 3 launches timed fewer than 100"),
        (
            {"refused": "The process is emulated (qemu runs it).", "samples_ns": []},
            "emulated (qemu runs it). No milliseconds hold",
        ),
        (
            {"trace": [look(throttled=False), look(throttled=True)]},
            "firmware held its clock down",
        ),
        ({"cpu_s": 0.2, "timed_s": 10.0}, "had 2% of a processor while it was timed"),
        (
            {"trace": [look(throttle_count=3), look(throttle_count=4)]},
            "slowed itself down for heat",
        ),
        (
            {"trace": [look(quota_stalls=3), look(quota_stalls=8)]},
            "quota ran out 5 times",
        ),
        (
            {"trace": [look(freq_mhz=1800.0), look(freq_mhz=1500.0)]},
            "the clock fell by 17% (1800 to 1500 MHz), more than 5%",
        ),
    ],
)
def test_an_invalid_run_states_why(
    artifact: Artifact, changes: dict[str, Any], words: str
) -> None:
    found = summary(artifact, launch(), launch(**changes), launch())
    assert words in (measurement_words.invalid(found) or "")


def test_a_restless_warm_up_is_invalid_only_where_it_was_the_rule(
    artifact: Artifact,
) -> None:
    restless = launch(warmup={"plateau": False})
    assert summary(artifact, restless, launch(), launch()).invalid == ()
    [fault] = summary(artifact, restless, restless, restless).invalid
    assert fault == NoPlateau(warmup_s=TIERS["quick"].warmup_max_s)


def test_one_missing_figure_makes_the_whole_missing(artifact: Artifact) -> None:
    found = summary(artifact, launch(), launch(peak_memory_mb=None))
    assert found.peak_memory_mb is None
    assert found.load_ms == 10.0


def test_what_grew_between_launches_is_nobodys_fault(artifact: Artifact) -> None:
    first = launch(trace=[look(throttle_count=1), look(throttle_count=1)])
    second = launch(trace=[look(throttle_count=9), look(throttle_count=9)])
    assert summary(artifact, first, second, launch()).invalid == ()


def test_an_emulated_device_counts_and_claims_no_time(artifact: Artifact) -> None:
    counted = launch(
        refused="The process is emulated (qemu).",
        samples_ns=[],
        load_ms=None,
        first_ms=None,
        peak_memory_mb=None,
        trace=[],
        instructions={"per_inference": 2e6, "inferences": 8, "counter": "qemu"},
    )
    found = summary(artifact, counted, counted, counted)
    assert found.provenance == "counted"
    assert found.instructions == 2e6
    latency = found.latency
    assert (latency.p50_ms, latency.p99_ms, latency.launch_p50_ms) == (None, None, ())
    assert found.load_ms is found.first_ms is None


def test_a_tools_averages_are_no_percentiles(artifact: Artifact) -> None:
    lines = {"samples": 50, "mean_ms": 3.0, "p50_ms": None}
    found = summary(artifact, *[launch(samples_ns=[], summary=lines)] * 3)
    assert found.latency.mean_ms == 3.0
    assert found.latency.p50_ms is None
    assert found.latency.samples == 150


def test_conditions_are_of_all_launches(artifact: Artifact) -> None:
    looks = [look(freq_mhz=1500.0, temp_c=50.0), look(freq_mhz=1490.0, temp_c=55.0)]
    found = summary(artifact, launch(trace=looks, pinned=[3]), launch(), launch())
    assert found.conditions.freq_mhz == (1490.0, 1500.0)
    assert found.conditions.temp_c == (50.0, 55.0)
    assert found.conditions.pinned == (3,)
    assert found.conditions.throttled is None


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
    with pytest.raises(UsageError, match="Two artifacts are called 'student-fp32'"):
        measure([artifact, artifact], LocalDevice(), tier="quick", threads=1)


def test_what_stood_in_the_way_is_reported_with_every_run(artifact: Artifact) -> None:
    busy = launch(trace=[look(governor="powersave", load=2.0), look(load=2.0)])
    found = summary(artifact, busy, launch(), launch())
    assert found.invalid == ()
    assert len(found.conditions.unready) == 2
    governor = Unready(kind="governor", value="powersave")
    assert found.conditions.unready[0] == governor
    assert "cpupower frequency-set" in measurement_words.unready(governor)
    forced = tailored("report", forced=True)
    marked = summarize(artifact, [busy] * 3, device=LocalDevice(), plan=forced)
    assert "its load is 2.00 by processor" in (measurement_words.invalid(marked) or "")


def test_a_tailored_tier_is_marked() -> None:
    assert tailored("quick") == TIERS["quick"]
    plan = tailored("report", launches=2, seconds=1.5, cooldown_s=0, forced=True)
    assert plan.name == "report, 2 launches, 1.5 s each, 0 s between, forced"
    assert (plan.launches, plan.min_s, plan.cooldown_s) == (2, 1.5, 0)
    long = tailored("sustained", seconds=40)
    assert (long.min_s, long.max_s, long.trace_s) == (40, 40, 10)
    assert tailored("quick", seconds=20).max_s == 20
    for amounts in ({"launches": 0}, {"seconds": -1.0}, {"cooldown_s": -1.0}):
        with pytest.raises(UsageError, match=r"it must be more than 0|0 or more"):
            tailored("quick", **amounts)  # type: ignore[arg-type]


def test_whoever_waits_is_reported_what_goes_on(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Quick(LocalDevice):
        def run(self, job: Any, *, timeout_s: float) -> dict[str, Any]:
            return launch()

    lines: list[tuple[int, int, str]] = []
    plan = tailored("quick", launches=2, cooldown_s=0.01)
    measure(
        [artifact],
        Quick(),
        tier=plan,
        threads=1,
        on_launch=lambda *one: lines.append(one),
    )
    assert lines[0] == (0, 2, "student-fp32")
    assert (1, 2, "cooling down for 0.01 s") in lines
    assert lines[-1] == (2, 2, "")
