"""A build's report with figures of the size a real one has: data for what renders and packs it."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

from edgekit import types
from edgekit.types import REPORT_SCHEMA, Report
from edgekit.types.export_notes import ComparedOnHost
from edgekit.types.measurement_notes import LaunchesVary, NoMeter
from edgekit.types.notes import PrecisionPlanned
from edgekit.types.report import Fastest, NotOnTarget, OverBudget, Slower

CHOSEN = "digits-litert-int8"
METER = "no energy meter: the container hides the processor's counter"


def report(folder: Path | None = None, *, blocks: int = 3) -> Report:
    """A build for a Raspberry Pi 4 without a board attached. Artifacts lie in `folder`."""
    random.seed(0)
    candidates = tuple(_candidates(folder or Path("candidates")))
    return Report(
        schema_version=REPORT_SCHEMA,
        project="digits",
        target=_target(),
        created="2026-11-22T12:00:00+00:00",
        environment={
            "device": "local",
            "cpu": "AMD EPYC 9B14, 2 cores",
            "system": "Linux 6.1, x86_64, Python 3.11.7",
            "edgekit": "0.1.0",
            "torch": "2.13.0",
            "litert": "2.3.0",
            "onnxruntime": "1.31.1",
        },
        budget=types.Budget(latency_ms=20, speedup=2, size_mb=0.5, accuracy_drop=0.01),
        verdicts=_verdicts(),
        headline="digits-litert-int8: 3.41x faster than the unpruned fp32 network on this "
        "machine's LiteRT, 0.3 points less accurate, 0.07 MB.",
        teacher=_summary(186_330, 24_190_000, 0.9944),
        student=_summary(51_418, 6_310_000, 0.9917),
        widths=tuple(_widths(blocks)),
        barriers=(
            types.Barrier(
                operator="linear",
                node="classifier",
                why="its outputs are the classes",
                parameters=("classifier.weight",),
            ),
        ),
        dropped_blocks=(),
        operators=tuple(_operators(blocks)),
        cost_provenance="host",
        cost_unit="us",
        prediction=types.Prediction(
            provenance="host",
            unit="us",
            networks=(
                types.NetworkCost(
                    name="student", predicted=204.0, measured=200.0, error=0.02
                ),
                types.NetworkCost(
                    name="candidate 1", predicted=388.0, measured=400.0, error=0.03
                ),
            ),
            error_median=0.025,
            repeatability=0.008,
        ),
        rounds=(
            types.PlanRound(
                predicted_speedup=2.31, measured_speedup=1.88, prediction_error=0.229
            ),
            types.PlanRound(
                predicted_speedup=2.52, measured_speedup=2.47, prediction_error=0.02
            ),
        ),
        epochs=tuple(
            types.Epoch(
                number=n,
                loss=0.9 * 0.8**n + 0.05,
                validation=round(0.993 - 0.2 * 0.7**n - 0.002 * (n == 12), 4),
                seconds=2.1,
            )
            for n in range(1, 21)
        ),
        best_epoch=18,
        kept_epoch=18,
        calibration={
            "preset": "default",
            "samples": 128,
            "strategy": "class-balanced",
            "seed": 0,
            "sha256": "9f" * 32,
        },
        baselines=tuple(_baselines()),
        candidates=candidates,
        notes=(
            ComparedOnHost(target="raspberrypi4"),
            PrecisionPlanned(precision="int8"),
        ),
    )


def _target() -> types.Target:
    return types.Target(
        name="raspberrypi4",
        description="Raspberry Pi 4 Model B: 4 Cortex-A72, 1 to 8 GB, 64-bit OS",
        aliases=("raspberrypi",),
        arch="aarch64",
        cpu="cortex-a72",
        cores=4,
        ram_mb=1024,
        runtimes=("litert", "onnxruntime"),
        precisions=("fp32", "int8"),
        channel_multiple={"fp32": 8, "int8": 8},
        power=types.Power(
            idle_w=1.6, load_w=5.0, boundary="wall", provenance="sbc-reviews"
        ),
        image="linux/arm64",
    )


def _verdicts() -> tuple[types.BudgetVerdict, ...]:
    verdict = types.BudgetVerdict
    return (
        verdict(
            name="latency_ms",
            limit=20,
            value=None,
            verdict="unproven",
            provenance="not measured",
            unproven=NotOnTarget(target="raspberrypi4", device="local"),
        ),
        verdict(
            name="speedup",
            limit=2,
            value=3.41,
            verdict="fits",
            provenance="host, 5 paired launches on LiteRT in one run",
            against="litert",
        ),
        verdict(
            name="size_mb",
            limit=0.5,
            value=0.0703,
            verdict="fits",
            provenance="size of the file",
        ),
        verdict(
            name="accuracy_drop",
            limit=0.01,
            value=0.0028,
            verdict="fits",
            provenance="360 evaluation samples on LiteRT",
            metric="accuracy",
            unit="points",
        ),
    )


def _summary(parameters: int, macs: int, accuracy: float) -> types.NetworkSummary:
    return types.NetworkSummary(
        parameters=parameters,
        macs=macs,
        evaluation=types.Evaluation(metric="accuracy", value=accuracy, samples=360),
    )


def _widths(blocks: int) -> list[types.WidthRow]:
    rows = [
        types.WidthRow(
            group="g0",
            kind="conv",
            before=32,
            after=16,
            layers=("stem.conv", "stem.bn"),
        )
    ]
    for block in range(blocks):
        before = 32 * 2 ** min(block, 3)
        for part, kind in (
            ("expand", "conv"),
            ("depthwise", "depthwise"),
            ("add", "residual"),
        ):
            rows.append(
                types.WidthRow(
                    group=f"g{len(rows)}",
                    kind=kind,
                    before=before,
                    after=max(8, before // random.choice((1, 2, 4)) // 8 * 8),
                    layers=(f"stages.{block}.{part}", f"stages.{block}.{part}_bn"),
                )
            )
    return rows


def _operators(blocks: int) -> list[types.OperatorRow]:
    rows = []
    for block in range(blocks):
        for part, kind, cost in (
            ("expand", "conv 1x1", 21.0),
            ("depthwise", "depthwise 3x3", 9.0),
            ("project", "conv 1x1", 18.5),
            ("add", "add", 1.6),
        ):
            before = cost * random.uniform(0.8, 1.6)
            rows.append(
                types.OperatorRow(
                    name=f"stages.{block}.{part}",
                    kind=kind,
                    before=before,
                    after=before * random.uniform(0.25, 0.7),
                )
            )
    rows.append(
        types.OperatorRow(name="classifier", kind="linear", before=1.4, after=0.6)
    )
    return rows


def _latency(p50: float, *, thin: bool = False) -> types.Latency:
    return types.Latency(
        p50_ms=p50,
        p90_ms=p50 * 1.08,
        p95_ms=p50 * 1.13,
        p99_ms=None if thin else p50 * 1.6,
        samples=270 if thin else 5120,
        launches=5,
        launch_p50_ms=tuple(p50 * factor for factor in (1.0, 0.99, 1.02, 1.01, 0.98)),
        ci95_ms=(p50 * 0.985, p50 * 1.015),
    )


def _measurement(name: str, runtime: str, p50: float, size: float) -> types.Measurement:
    return types.Measurement(
        artifact=name,
        device="local",
        provenance="host",
        runtime=runtime,
        runtime_version={"litert": "2.3.0", "onnxruntime": "1.31.1"}[runtime],
        threads=1,
        latency=_latency(p50, thin=runtime == "onnxruntime"),
        load_ms=3.1,
        first_ms=p50 * 4,
        peak_memory_mb=None if runtime == "onnxruntime" else 31.4,
        size_mb=size,
        energy=types.Energy(reasons=(NoMeter(detail=METER),)),
    )


def _baselines() -> list[types.Measurement]:
    return [
        _measurement("teacher-litert-fp32", "litert", 0.177, 0.721),
        _measurement("teacher-onnxruntime-fp32", "onnxruntime", 0.231, 0.744),
    ]


def _candidates(folder: Path) -> list[types.Candidate]:
    found = []
    for runtime, precision, p50, size, accuracy, outcome in (
        (
            "litert",
            "fp32",
            0.0717,
            0.2031,
            0.9917,
            Slower(than=CHOSEN, latency_ratio=1.38),
        ),
        (
            "litert",
            "int8",
            0.0519,
            0.0703,
            0.9916,
            Fastest(),
        ),
        (
            "onnxruntime",
            "fp32",
            0.0941,
            0.2212,
            0.9917,
            Slower(than=CHOSEN, latency_ratio=1.81),
        ),
        (
            "onnxruntime",
            "int8",
            0.0488,
            0.0911,
            0.9722,
            OverBudget(
                missed=types.BudgetVerdict(
                    name="accuracy_drop",
                    limit=0.01,
                    value=0.0222,
                    verdict="over",
                    provenance="host",
                    metric="accuracy",
                    unit="points",
                )
            ),
        ),
    ):
        name = f"digits-{runtime}-{precision}"
        suffix = {"litert": ".tflite", "onnxruntime": ".onnx"}[runtime]
        tensor = types.TensorSpec(
            name="input", shape=(1, 1, 8, 8), dtype="float32", layout="NCHW"
        )
        artifact = types.Artifact(
            name=name,
            runtime=runtime,
            precision=precision,
            files=(folder / f"{name}{suffix}",),
            inputs=(tensor,),
            outputs=(types.TensorSpec(name="output", shape=(1, 10), dtype="float32"),),
        )
        measurement = _measurement(name, runtime, p50, size)
        if accuracy < 0.98:
            measurement = dataclasses.replace(
                measurement, invalid=(LaunchesVary(cv=0.071, limit=0.05),)
            )
        found.append(
            types.Candidate(
                artifact=artifact,
                parity=types.Parity(
                    relative_error=2e-6 if precision == "fp32" else 0.041,
                    agreement=1.0 if precision == "fp32" else 0.9944,
                    samples=360,
                ),
                evaluation=types.Evaluation(
                    metric="accuracy", value=accuracy, samples=360
                ),
                measurement=measurement,
                speedup={"litert": 0.177, "onnxruntime": 0.231}[runtime] / p50,
                accuracy_drop=round(0.9944 - accuracy, 4),
                chosen=name == "digits-litert-int8",
                outcome=outcome,
            )
        )
    return found


def bare() -> Report:
    """A build of which nothing is known but the networks: every list is empty."""
    return dataclasses.replace(
        report(),
        verdicts=(),
        widths=(),
        barriers=(),
        dropped_blocks=(),
        operators=(),
        rounds=(),
        epochs=(),
        best_epoch=0,
        kept_epoch=0,
        calibration={},
        baselines=(),
        candidates=(),
        notes=(),
    )
