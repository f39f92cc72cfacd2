"""Measurements on a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edgekit.types.measurement_notes import (
    CheckBasis,
    EnergyReason,
    MeasurementFault,
    Unready,
)
from edgekit.types.names import Provenance


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Steady latency per inference. A percentile too thin to bound is `None`."""

    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    samples: int
    launches: int
    launch_p50_ms: tuple[float, ...]
    """Median of each fresh process, in the order of the launches."""
    ci95_ms: tuple[float, float] | None = None
    """Bootstrap interval of the median over launches."""
    launch_cv: float | None = None
    """Standard deviation over mean of the launches' medians."""
    within_cv: float | None = None
    """The same of the inferences inside a launch; the median over launches."""
    mean_ms: float | None = None
    """Only from tools that report averages and no samples."""
    sustained_ratio: float | None = None
    """Median of the last ten seconds over that of the first, in a sustained run."""
    sustained_p50_ms: tuple[float, ...] = ()
    """Median of each ten seconds of a sustained run, in order."""


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy per inference. Uncertainties are expanded (k = 2); `modeled` ones are a band."""

    gross_mj: float | None = None
    net_mj: float | None = None
    """Above idle power."""
    gross_u_mj: float | None = None
    net_u_mj: float | None = None
    method: Literal["counter", "sampled", "external", "modeled", "none"] = "none"
    boundary: str | None = None
    """The boundary of the meter: `package`, `board`, `wall`, ..."""
    meter: str | None = None
    windows: int | None = None
    idle_before_w: float | None = None
    idle_after_w: float | None = None
    sampler_hz: float | None = None
    overhead: float | None = None
    """Fraction of the throughput lost while the meter was read."""
    reader_cpu: float | None = None
    """Processor time of what read the meter, over the metered time."""
    p50_ms: float | None = None
    """Median latency of the metered run itself."""
    reasons: tuple[EnergyReason, ...] = ()
    """Why there is no figure, or why to doubt it."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Why each meter of the device could not be read, by its name; empty where one was, or none
    was tried."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """State of the device while it was measured; values that it does not report are `None`."""

    governor: str | None = None
    freq_mhz: tuple[float, float] | None = None
    """Lowest and highest clock that was seen."""
    temp_c: tuple[float, float] | None = None
    load: tuple[float, float] | None = None
    """Processes that wanted a processor, by processor."""
    throttled: bool | None = None
    pinned: tuple[int, ...] | None = None
    timer_us: float | None = None
    """The coarsest step of the clock, in a browser; samples are means of as many inferences as take
    50 of them."""
    unready: tuple[Unready, ...] = ()
    """Obstacles to a quotable figure when timing began."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Latency in milliseconds, memory and size in MiB, of one artifact on one device."""

    artifact: str
    device: str
    provenance: Provenance
    runtime: str
    runtime_version: str
    threads: int
    latency: Latency
    load_ms: float | None
    first_ms: float | None
    peak_memory_mb: float | None
    size_mb: float
    energy: Energy
    invalid: tuple[MeasurementFault, ...] = ()
    """Why this run should not be quoted (throttled, too noisy); empty where it may be."""
    conditions: Conditions = field(default_factory=Conditions)
    instructions: float | None = None
    """Of one inference, counted where the device is emulated; no time follows from it."""
    taken: str | None = None
    """When it was taken: ISO 8601, in UTC."""
    reused: bool = False
    """True where an earlier build took it, of the same files on the same machine."""


PairedVerdict = Literal["pass", "fail", "inconclusive"]
GateVerdict = Literal["pass", "fail", "inconclusive", "unproven"]
"""`unproven`: nothing here shows it."""


@dataclass(frozen=True, kw_only=True)
class Paired:
    """One artifact's latency over another's, from launches that took turns in one run."""

    artifact: str
    against: str
    device: str
    provenance: Provenance
    ratio: float
    """Geometric mean over pairs; below 1 the artifact is faster."""
    low: float
    high: float
    """One-sided bounds of the ratio, each at `confidence`."""
    confidence: float
    pairs: int
    verdict: PairedVerdict
    slower: float
    """Surely slower than this fails."""
    tolerated: float
    """Surely no slower than this passes."""
    measurements: tuple[Measurement, Measurement]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of a gate."""

    name: str
    kind: Literal["fact", "budget", "device"]
    now: float | None
    before: float | None
    verdict: GateVerdict
    basis: CheckBasis
    """Facts that the verdict follows from, beside `now` and `before`."""


@dataclass(frozen=True, kw_only=True)
class OperatorProfile:
    """One operator as it ran: median microseconds of an inference, and what ran it."""

    name: str
    kind: str
    us: float
    fraction: float
    kernel: str | None = None
    fast: bool | None = None
    """True where the runtime's optimized kernel ran; `None` where the runtime does not report
    it."""
    why: str | None = None


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Time by operator of one artifact on one device, in microseconds."""

    artifact: str
    device: str
    provenance: Provenance
    runtime: str
    runtime_version: str
    threads: int
    method: str
    """`profiler`, or `each operator alone`: then fusion between operators is not seen."""
    operators: tuple[OperatorProfile, ...]
