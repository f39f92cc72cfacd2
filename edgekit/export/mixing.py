"""The operators of a static int8 file that stay in float for their speed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from edgekit.devices import jobs
from edgekit.devices.local import LocalDevice
from edgekit.errors import ArtifactError
from edgekit.runtimes.mixed_precision import Material, choose
from edgekit.runtimes.protocol import Quantizer
from edgekit.runtimes.record import Runtime
from edgekit.types import QuantConfig, RuntimeName, SlowInInt8

PART = "mixing"
"""Of the folder of a runtime whose files mix float and int8."""
_LIMIT_S = 300.0


def mixed(
    runtime: Runtime, quantizer: Quantizer, fp32: Path, quant_config: QuantConfig
) -> tuple[QuantConfig, tuple[SlowInInt8, ...]]:
    """A configuration of static int8 with the operators named that stay in float, and their kinds.

    With `operators` of "mixed" they are those that are cheaper in float by timings on this
    machine; else those that the runtime's accelerated kernels do not take. Raises `ArtifactError`
    where the library writes no int8 form of them, or where one alone does not run.
    """
    part = runtime.part(PART)
    timing = quant_config.operators == "mixed"
    with tempfile.TemporaryDirectory(dir=fp32.parent) as name:
        int8 = Path(name) / f"all{runtime.suffix}"
        quantizer.quantize("int8", replace(quant_config, operators="all"), int8)
        material: Material | None = part.material(fp32, int8, Path(name))
        if material is None:
            return quant_config, ()
        times = _timed(runtime.name, material) if timing else part.guess(material)
    if times is None:
        return quant_config, ()
    found = choose(material, times)
    slow = (one if timing else replace(one, us=None) for one in found.slow)
    return replace(quant_config, float_operators=found.in_float), tuple(slow)


def _timed(runtime: RuntimeName, material: Material) -> Mapping[Path, float]:
    files = material.files()
    job = jobs.microbenchmark(
        runtime, files, threads=1, rounds=6, sessions=2, min_round_ms=0.5
    )
    rows = LocalDevice().run(job, timeout_s=_LIMIT_S)["results"]
    for row in rows:
        if row["error"] is not None:
            raise ArtifactError(f"An operator alone does not run ({row['error']}).")
    return {file: row["us"] for file, row in zip(files, rows, strict=True)}
