"""Choose the provenance of a plan's costs: the best that is at hand, with a note."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.config import lock_file
from edgekit.cost.table import CostTable
from edgekit.cost.table_key import TableKey
from edgekit.devices import Device
from edgekit.devices.emulated import EmulatedDevice, missing
from edgekit.errors import DeviceError
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.request import BuildRequest
from edgekit.progress import Progress
from edgekit.runtimes import registry
from edgekit.store import Store
from edgekit.types import Precision, Provenance, RuntimeName, Target

_ASKED = "as requested by [recipe.prune] cost_provenance"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The device that operators' costs are measured on."""

    provenance: Provenance
    device: Device | None
    """`None` where costs are estimated."""
    fingerprint: str
    runtimes: Mapping[str, str]
    """The runtimes there, and their versions."""
    why: str


@dataclass(frozen=True, kw_only=True)
class CostProvider:
    """The cost tables of one build."""

    origin: Origin
    threads: int
    tiles: Mapping[Precision, int]
    """The profile's channel multiples, which estimates go by."""
    root: Path
    """The folder that tables are kept in."""
    tables: dict[tuple[RuntimeName, Precision], CostTable] = field(default_factory=dict)
    """Tables in use: what corrects one in a build corrects it for the whole build."""

    @property
    def device(self) -> Device | None:
        """Where costs are measured; `None` where they are estimated."""
        return self.origin.device

    def runtime(self, requested: RuntimeName) -> RuntimeName:
        """The runtime there that runs the files of the one wanted."""
        readers, there = registry.readers(requested), self.origin.runtimes
        return next((name for name in readers if name in there), requested)

    def table(self, runtime: RuntimeName, precision: Precision) -> CostTable:
        """The table of these costs, as far as it was filled.

        Raises `DeviceError` where the device does not have the runtime.
        """
        there, origin = self.runtime(runtime), self.origin
        if origin.device is not None and there not in origin.runtimes:
            raise DeviceError(
                f"{origin.device.name} has no {there}, so it cannot measure costs. "
                "Name another [recipe.prune] cost_provenance."
            )
        key = TableKey(
            fingerprint=origin.fingerprint,
            runtime=there,
            runtime_version=origin.runtimes.get(there, ""),
            precision=precision,
            threads=self.threads,
        )
        if (there, precision) not in self.tables:
            tile = self.tiles.get(precision, 1)
            made = CostTable(key, origin.provenance, self.root, tile=tile)
            self.tables[there, precision] = made
        return self.tables[there, precision]


def choose(request: BuildRequest, env: Environment) -> CostProvider:
    """The provenance that the recipe names; else the target itself, or this machine in its place.

    Instructions of the target's own core represent its kernels better than another machine's
    time, but take minutes to count: they are used only on request. Raises `DeviceError` where
    the recipe names one that is not at hand.
    """
    return CostProvider(
        origin=_origin(request, env),
        threads=request.threads,
        tiles=request.target.channel_multiple,
        root=env.store.root,
    )


def _origin(request: BuildRequest, env: Environment) -> Origin:
    asked, why = request.project.recipe.prune.cost_provenance, _ASKED
    target, threads = request.target, request.threads
    if request.locked is not None:
        return _estimated(target, f"{lock_file.FILE} has the plan")
    if asked == "auto":
        asked, why = _automatic(target, threads, proven=env.proven)
    if asked == "device" and not env.proven:
        raise DeviceError(
            f"Costs of provenance 'device' need a {target.name}, and none is attached. "
            'Leave [recipe.prune] cost_provenance at "auto".'
        )
    if asked == "counted":
        lacking = _uncountable(target, threads)
        if lacking is not None:
            raise DeviceError(
                f"Instructions of a {target.cpu} cannot be counted: {lacking}."
            )
        return _counted(target.cpu, why, env.store, env.progress)
    if asked == "estimated":
        return _estimated(target, why)
    return Origin(
        provenance=env.device.provenance,
        device=env.device,
        fingerprint=env.device.fingerprint(),
        runtimes=env.runtimes,
        why=f"operators are timed on {env.device.name}: {why}",
    )


def _automatic(target: Target, threads: int, *, proven: bool) -> tuple[Provenance, str]:
    """The provenance at hand where the recipe names none, and why it is that one."""
    if proven:
        return "device", "the target itself"
    lacking = _uncountable(target, threads)
    instead = (
        f'[recipe.prune] cost_provenance = "counted" goes by instructions of a {target.cpu}'
        if lacking is None
        else f"instructions of a {target.cpu} cannot be counted: {lacking}"
    )
    return "host", f"no {target.name} is attached; {instead}"


def _uncountable(target: Target, threads: int) -> str | None:
    """Why instructions cannot be counted for this target, in words; `None` where they can."""
    if threads != 1:
        return f"counts of {threads} threads do not repeat"
    return missing(target.cpu)


def _counted(core: str, why: str, store: Store, progress: Progress) -> Origin:
    device = EmulatedDevice(core=core, kept=store)
    if not device.prepared:
        with progress.step(f"Fetch the programs of a {core}") as step:
            device.prepare(step.update)
    return Origin(
        provenance="counted",
        device=device,
        fingerprint=device.fingerprint(),
        runtimes=device.runtimes,
        why=f"instructions are counted for a {core}: {why}",
    )


def _estimated(target: Target, why: str) -> Origin:
    return Origin(
        provenance="estimated",
        device=None,
        fingerprint=f"profile {target.name} {dict(target.channel_multiple)}",
        runtimes={},
        why=f"operations are estimated from the profile of {target.name}: {why}",
    )
