"""Where the costs that a plan goes by come from: the best source that is at hand, said aloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgekit.cost.table import CostTable
from edgekit.cost.table_key import TableKey
from edgekit.devices import Device
from edgekit.devices.emulated import EmulatedDevice, missing
from edgekit.errors import DeviceError
from edgekit.runtimes import registry
from edgekit.types import CostSource, Precision, RuntimeName

if TYPE_CHECKING:
    from edgekit.pipeline.context import Job


@dataclass(frozen=True, kw_only=True)
class CostProvider:
    """What operators' costs are taken on."""

    source: CostSource
    device: Device | None
    """`None` where costs are estimated."""
    fingerprint: str
    runtimes: Mapping[str, str]
    """The runtimes there, and their versions."""
    why: str
    tables: dict[tuple[RuntimeName, Precision], CostTable] = field(default_factory=dict)
    """Tables in use: what corrects one in a build corrects it for the whole build."""

    def runtime(self, wanted: RuntimeName) -> RuntimeName:
        """The runtime there that runs the files of the one wanted."""
        readers = registry.readers(wanted)
        return next((name for name in readers if name in self.runtimes), wanted)


def choose(job: Job) -> CostProvider:
    """The source that the recipe names; else the target itself, or this machine in its place.

    Instructions of the target's own core say more of its kernels than another machine's time, but
    take minutes to count: they are used where they are asked for.
    Raises `DeviceError` where the recipe names a source that is not at hand.
    """
    asked = job.project.recipe.prune.cost_source
    if asked != "auto":
        return _SOURCES[asked](job, "as [recipe.prune] cost_source says")
    if job.proven:
        return _device(job, "the target itself")
    lacking = _uncountable(job)
    instead = (
        f'[recipe.prune] cost_source = "counted" goes by instructions of a {job.target.cpu}'
        if lacking is None
        else f"instructions of a {job.target.cpu} cannot be counted: {lacking}"
    )
    return _host(job, f"no {job.target.name} is attached; {instead}")


def table(
    job: Job, costing: CostProvider, runtime: RuntimeName, precision: Precision
) -> CostTable:
    """The table of these costs, as far as it was filled."""
    there = costing.runtime(runtime)
    if costing.device is not None and there not in costing.runtimes:
        raise DeviceError(
            f"{costing.device.name} has no {there}, so it can say nothing of its costs. "
            "Name another [recipe.prune] cost_source."
        )
    key = TableKey(
        fingerprint=costing.fingerprint,
        runtime=there,
        runtime_version=costing.runtimes.get(there, ""),
        precision=precision,
        threads=job.threads,
    )
    tile = job.target.channel_multiple.get(precision, 1)
    if (there, precision) not in costing.tables:
        made = CostTable(key, costing.source, job.store.root, tile=tile)
        costing.tables[there, precision] = made
    return costing.tables[there, precision]


def _device(job: Job, why: str) -> CostProvider:
    if not job.proven:
        raise DeviceError(
            f"Costs of the source 'device' need a {job.target.name}, and none is attached. "
            'Leave [recipe.prune] cost_source at "auto".'
        )
    return _timed(job, why)


def _host(job: Job, why: str) -> CostProvider:
    return _timed(job, why)


def _timed(job: Job, why: str) -> CostProvider:
    return CostProvider(
        source=job.device.source,
        device=job.device,
        fingerprint=job.device.fingerprint(),
        runtimes=job.runtimes,
        why=f"operators are timed on {job.device.name}: {why}",
    )


def _counted(job: Job, why: str) -> CostProvider:
    lacking = _uncountable(job)
    if lacking is not None:
        raise DeviceError(
            f"Instructions of a {job.target.cpu} cannot be counted: {lacking}."
        )
    device = EmulatedDevice(core=job.target.cpu, kept=job.store)
    if not device.prepared:
        with job.progress.step(f"Fetch the programs of a {job.target.cpu}") as step:
            device.prepare(step.update)
    return CostProvider(
        source="counted",
        device=device,
        fingerprint=device.fingerprint(),
        runtimes=device.runtimes,
        why=f"instructions are counted for a {job.target.cpu}: {why}",
    )


def _uncountable(job: Job) -> str | None:
    """Why instructions cannot be counted for this target, in words; `None` where they can."""
    if job.threads != 1:
        return f"counts of {job.threads} threads do not repeat"
    return missing(job.target.cpu)


def _estimated(job: Job, why: str) -> CostProvider:
    return CostProvider(
        source="estimated",
        device=None,
        fingerprint=f"profile {job.target.name} {dict(job.target.channel_multiple)}",
        runtimes={},
        why=f"operations are estimated from the profile of {job.target.name}: {why}",
    )


_SOURCES = {
    "device": _device,
    "host": _host,
    "counted": _counted,
    "estimated": _estimated,
}
