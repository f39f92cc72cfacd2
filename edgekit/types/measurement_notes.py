"""Why a measurement is not to be quoted, has no energy or cannot be compared, as records.

`report.measurement_words` has the words of each kind. A name has the unit of its value; a
fraction is of 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

# --- the device and its launches --------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Unready:
    """An obstacle to a quotable figure when timing began."""

    kind: Literal["governor", "throttled", "temp_c", "load", "on_battery"]
    value: str | bool | float
    """As the device reported it."""
    limit: float | None = None
    """From which on it is an obstacle; `None` where it is one by itself."""


@dataclass(frozen=True, kw_only=True)
class NotTimed:
    """The device has no speed of its own to measure: it is emulated."""

    kind: Literal["not_timed"] = "not_timed"
    detail: str
    """Output of the agent."""


@dataclass(frozen=True, kw_only=True)
class Throttled:
    """The device's firmware held its clock down, or the processor slowed down for heat."""

    kind: Literal["throttled_by_firmware", "throttled_for_heat"]


@dataclass(frozen=True, kw_only=True)
class QuotaStalled:
    """The processor quota of the container ran out while inferences were timed."""

    kind: Literal["quota_stalled"] = "quota_stalled"
    stalls: int


@dataclass(frozen=True, kw_only=True)
class ProcessorShared:
    """Other processes ran on the processor while inferences were timed."""

    kind: Literal["processor_shared"] = "processor_shared"
    fraction: float
    """Of a processor that the process had."""


@dataclass(frozen=True, kw_only=True)
class ClockFell:
    """The processor's clock fell while inferences were timed."""

    kind: Literal["clock_fell"] = "clock_fell"
    from_mhz: float
    to_mhz: float
    limit: float
    """The fraction by which it may fall."""


@dataclass(frozen=True, kw_only=True)
class LaunchesCut:
    """Launches that timed too few inferences in the time they had."""

    kind: Literal["launches_cut"] = "launches_cut"
    cut: int
    launches: int
    min_runs: int
    max_s: float


@dataclass(frozen=True, kw_only=True)
class NoPlateau:
    """No launch reached a steady latency in its warm-up."""

    kind: Literal["no_plateau"] = "no_plateau"
    warmup_s: float


@dataclass(frozen=True, kw_only=True)
class LaunchesVary:
    """The medians of the launches are too far apart."""

    kind: Literal["launches_vary"] = "launches_vary"
    cv: float
    limit: float


MeasurementFault: TypeAlias = (
    NotTimed
    | Throttled
    | QuotaStalled
    | ProcessorShared
    | ClockFell
    | Unready
    | LaunchesCut
    | NoPlateau
    | LaunchesVary
)
"""Why a run should not be quoted."""


# --- energy -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class EnergyNotRequested:
    """No energy was requested."""

    kind: Literal["energy_not_requested"] = "energy_not_requested"


@dataclass(frozen=True, kw_only=True)
class NoMeter:
    """No meter could be read."""

    kind: Literal["no_meter"] = "no_meter"
    detail: str | None = None
    """Output of the agent; `None` where `Energy.unreadable` has a reason of each meter."""


@dataclass(frozen=True, kw_only=True)
class MeterStarved:
    """Every window had a gap between two readings that was too long."""

    kind: Literal["meter_starved"] = "meter_starved"
    periods: float
    """The longest gap allowed, in periods of the meter."""


@dataclass(frozen=True, kw_only=True)
class IdleDrifted:
    """Idle power changed from before the metered run to after it."""

    kind: Literal["idle_drifted"] = "idle_drifted"
    before_w: float
    after_w: float
    limit: float

    @property
    def drift(self) -> float:
        """The change as a fraction of the higher one."""
        return abs(self.after_w - self.before_w) / max(self.before_w, self.after_w)


@dataclass(frozen=True, kw_only=True)
class ThroughputChanged:
    """The meter's reading changed the throughput."""

    kind: Literal["throughput_changed"] = "throughput_changed"
    overhead: float


@dataclass(frozen=True, kw_only=True)
class WindowsDropped:
    """Windows with gaps between readings are not in the figure."""

    kind: Literal["windows_dropped"] = "windows_dropped"
    windows: int


@dataclass(frozen=True, kw_only=True)
class EnergyModeled:
    """The figure is modeled from published power and processor time, not measured."""

    kind: Literal["energy_modeled"] = "energy_modeled"
    target: str
    provenance: str | None
    """Of the published power."""
    band: float


EnergyReason: TypeAlias = (
    EnergyNotRequested
    | NoMeter
    | MeterStarved
    | IdleDrifted
    | ThroughputChanged
    | WindowsDropped
    | EnergyModeled
)
"""Why there is no energy, or why to doubt it."""


# --- comparisons ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class MeasuredApart:
    """Two runs differ in what a comparison needs to be the same."""

    kind: Literal["measured_apart"] = "measured_apart"
    of: Literal["device", "provenance", "threads", "tier"]
    values: tuple[str | int | None, str | int | None]


@dataclass(frozen=True, kw_only=True)
class EnergyAbsent:
    """One of two runs has no energy."""

    kind: Literal["energy_absent"] = "energy_absent"


@dataclass(frozen=True, kw_only=True)
class EnergyMetered:
    """The energies of two runs are of different methods, or boundaries."""

    kind: Literal["methods_differ", "boundaries_differ"]
    values: tuple[str | None, str | None]


Incomparable: TypeAlias = MeasuredApart | EnergyAbsent | EnergyMetered
"""Why two figures must not be compared."""


@dataclass(frozen=True, kw_only=True)
class NotMeasured:
    """There is no figure to check."""

    kind: Literal["not_measured"] = "not_measured"


@dataclass(frozen=True, kw_only=True)
class WithinLimit:
    """A figure beside its budget, and why not to quote it where there are such reasons."""

    kind: Literal["within_limit"] = "within_limit"
    doubts: tuple[MeasurementFault | EnergyReason, ...] = ()
    least: bool = False
    """True where the limit is the least that is allowed."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """A count beside the baseline's, and the fraction by which it may grow."""

    kind: Literal["counted"] = "counted"
    growth: float


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A metric beside the baseline's, and by how much it may fall."""

    kind: Literal["scored"] = "scored"
    is_fraction: bool
    allowed: float


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The artifact's outputs beside its network's."""

    kind: Literal["compared"] = "compared"
    agrees: bool
    relative_error: float | None
    """The largest difference over the largest number; `None` where it is not finite."""
    samples: int
    reference: str
    """Name of the network."""


@dataclass(frozen=True, kw_only=True)
class ContractParts:
    """Parts of the artifact's contract that are not the baseline's."""

    kind: Literal["contract_parts"] = "contract_parts"
    changed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class NothingPaired:
    """The baseline's artifact is not at hand to take turns with."""

    kind: Literal["nothing_paired"] = "nothing_paired"


@dataclass(frozen=True, kw_only=True)
class LaunchesPaired:
    """A latency ratio from launches that took turns, with its bounds and the limits."""

    kind: Literal["launches_paired"] = "launches_paired"
    ratio: float
    low: float
    high: float
    confidence: float
    slower: float
    """Surely slower than this fails."""
    tolerated: float
    """Surely no slower than this passes."""


@dataclass(frozen=True, kw_only=True)
class EnergyBeside:
    """An energy beside the baseline's, with their common uncertainty."""

    kind: Literal["energy_beside"] = "energy_beside"
    u_mj: float


@dataclass(frozen=True, kw_only=True)
class EnergyUnjudged:
    """Energies that decide nothing: doubted, or modeled."""

    kind: Literal["energy_doubted", "energy_modeled_only"]
    doubts: tuple[EnergyReason, ...] = ()


CheckBasis: TypeAlias = (
    NotMeasured
    | WithinLimit
    | Counted
    | Scored
    | Compared
    | ContractParts
    | NothingPaired
    | LaunchesPaired
    | EnergyBeside
    | EnergyUnjudged
    | Incomparable
)
"""The basis of a check of a gate."""


@dataclass(frozen=True, kw_only=True)
class OperatorsUnmetered:
    """Why operators have no energy of their own."""

    kind: Literal["costs_not_timed", "costs_without_power", "no_meter", "none_resolved"]
    value: str
    """The costs' provenance or unit, the agent's output, or the meter."""
    meters: tuple[str, ...] = ()
    """Those that cannot be read, where `kind` is `no_meter`."""
