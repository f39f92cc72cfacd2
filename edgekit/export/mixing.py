"""The operators of a static int8 file that stay in float for their speed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

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
Floats = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """A network's operators in both forms, with the cost of each."""

    material: Material
    times: Mapping[Path, float]
    timed: bool
    """False where the costs are those of kernels that every machine has."""

    def in_float(self, damage: Mapping[str, float] = MappingProxyType({})) -> Floats:
        """Names of the operators in float; `damage` are microseconds by name that int8 costs
        besides."""
        return choose(self.material, self.times, damage).in_float

    @property
    def slow(self) -> tuple[SlowInInt8, ...]:
        """Kinds of operators in float that are slower in int8."""
        found = choose(self.material, self.times).slow
        return tuple(one if self.timed else replace(one, us=None) for one in found)


def mixture(
    runtime: Runtime, quantizer: Quantizer, fp32: Path, quant_config: QuantConfig
) -> Mixture | None:
    """The operators of static int8 and of float; `None` where nothing is better in float.

    With `operators` of "mixed" their costs are timed on this machine; else operators that the
    runtime's accelerated kernels do not take are slower than the others. Raises `ArtifactError`
    where the library writes no int8 form of them, or where one alone does not run.
    """
    part = runtime.part(PART)
    timing = quant_config.operators == "mixed"
    if not timing and not part.SLOW_EVERYWHERE:
        return None
    with tempfile.TemporaryDirectory(dir=fp32.parent) as name:
        int8 = Path(name) / f"all{runtime.suffix}"
        quantizer.quantize("int8", replace(quant_config, operators="all"), int8)
        try:
            network = quantizer.network
            material: Material | None = part.material(network, int8, Path(name))
        except ArtifactError:
            if timing:
                raise
            return None  # the file may run, though its operators are not known
        if material is None:
            return None
        # The format's own runtime: one that runs its files may be of devices alone.
        times = _timed(runtime.format, material) if timing else part.guess(material)
    if times is None:
        return None
    return Mixture(material=material, times=times, timed=timing)


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
