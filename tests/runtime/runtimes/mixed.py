"""A network's operators in both forms, and a file with some of them in float, in a process of
its own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.devices import jobs
from edgekit.devices.local import LocalDevice
from edgekit.export.quantization_accuracy import QuantizationAccuracy, Validation
from edgekit.program.program import load
from edgekit.runtimes import registry
from edgekit.runtimes.mixed_precision import Material, choose
from edgekit.runtimes.protocol import calibration_samples
from edgekit.types import InputSpec, QuantConfig, TaskSpec
from tests.runtime.export.apart import sure


@dataclass(frozen=True, kw_only=True)
class Mixed:
    material: Material
    refused: list[str]
    """Errors of operators alone."""
    in_float: tuple[str, ...]
    """Where some kinds of operators take long in int8."""
    errors: dict[str, float]
    """Of the outputs, with all operators in int8 and with those kinds in float."""
    file: Path


def mixed(
    runtime: str,
    kinds: Collection[str],
    place: Path,
    inputs: tuple[InputSpec, ...],
    samples: np.ndarray,
) -> Mixed:
    """Of `place/net.pt2`, where operators of `kinds` take 50 times as long in int8."""
    record = registry.get(runtime)
    exporter, suffix = record.exporter, record.suffix
    fp32, int8, made = (place / f"{name}{suffix}" for name in ("fp32", "int8", "mixed"))
    exporter.convert(load(place / "net.pt2", inputs), fp32)
    specs, _ = exporter.signature(fp32)
    given = calibration_samples((samples,), specs)
    quantizer = exporter.quantizer(fp32, specs, given, place)
    config = sure(runtime, "int8") or QuantConfig()
    quantizer.quantize("int8", config, int8)
    (place / "operators").mkdir()
    part = record.part("mixing")
    material = part.material(quantizer.network, int8, place / "operators")
    times = dict.fromkeys(material.files(), 0.0)
    times |= {step.in_float: 2.0 for step in material.steps}
    times |= {
        step.in_int8: 100.0 if step.kind in kinds else 1.0
        for step in material.steps
        if step.in_int8 is not None
    }
    in_float = choose(material, times).in_float
    kept = QuantConfig(
        narrow_weights=config.narrow_weights,
        operators="mixed",
        float_operators=in_float,
    )
    quantizer.quantize("int8", kept, made)
    validation = Validation(
        inputs=samples, targets=None, task=TaskSpec(), root=place, allowed=0.0
    )
    accuracy = QuantizationAccuracy(fp32, runtime, validation)
    job = jobs.microbenchmark(
        runtime, material.files(), threads=1, rounds=1, sessions=1, min_round_ms=0.01
    )
    rows = LocalDevice().run(job, timeout_s=120)["results"]
    return Mixed(
        material=material,
        refused=[row["error"] for row in rows if row["error"] is not None],
        in_float=in_float,
        errors={"int8": accuracy.error(int8), "mixed": accuracy.error(made)},
        file=made,
    )
