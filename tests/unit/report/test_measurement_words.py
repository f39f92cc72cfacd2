"""The words of every kind of fault, doubt and obstacle of a measurement."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from edgekit.report import measurement_words as words
from edgekit.types import Check, Energy, PairedVerdict
from edgekit.types import measurement_notes as kinds
from tests import reports

UNREADY = [
    (
        kinds.Unready(kind="governor", value="powersave"),
        "the governor is powersave: sudo cpupower frequency-set -g performance",
    ),
    (
        kinds.Unready(kind="throttled", value=True),
        "the firmware holds the clock down: a better supply, or cooling",
    ),
    (
        kinds.Unready(kind="temp_c", value=71.4, limit=60.0),
        "it is 71 degrees warm, 60 at most: let it cool down",
    ),
    (
        kinds.Unready(kind="load", value=2.0, limit=0.1),
        "its load is 2.00 by processor, 0.1 at most: stop what else runs",
    ),
    (
        kinds.Unready(kind="on_battery", value=True),
        "it runs on its battery: plug the supply in",
    ),
]
FAULTS = [
    (
        kinds.NotTimed(detail="The process is emulated."),
        "The process is emulated. No milliseconds hold",
    ),
    (
        kinds.Throttled(kind="throttled_by_firmware"),
        "the device's firmware held its clock down (throttling)",
    ),
    (
        kinds.Throttled(kind="throttled_for_heat"),
        "the processor slowed itself down for heat",
    ),
    (
        kinds.QuotaStalled(stalls=3),
        "the container's processor quota ran out 3 times: it stalls inferences, and does not "
        "slow the processor",
    ),
    (
        kinds.ProcessorShared(fraction=0.25),
        "the process had 25% of a processor while it was timed: others ran meanwhile",
    ),
    (
        kinds.ClockFell(from_mhz=1800.0, to_mhz=900.0, limit=0.05),
        "the clock fell by 50% (1800 to 900 MHz), more than 5%",
    ),
    (
        kinds.LaunchesCut(cut=1, launches=5, min_runs=30, max_s=2.5),
        "1 of 5 launches timed fewer than 30 inferences in 2.5 s",
    ),
    (
        kinds.NoPlateau(warmup_s=5.0),
        "no launch reached a plateau in 5 s of warm-up",
    ),
    (
        kinds.LaunchesVary(cv=0.2, limit=0.1),
        "the launches' medians vary by 20%, more than 10%: a busy machine, or where memory "
        "happened to lie",
    ),
    *UNREADY,
]
ENERGIES = [
    (kinds.EnergyNotRequested(), "Energy was not asked for."),
    (kinds.NoMeter(), "no meter found"),
    (kinds.NoMeter(detail="No meter."), "No meter."),
    (
        kinds.MeterStarved(periods=3.0),
        "Every window had a gap between two readings of more than 3 periods: the machine was "
        "too busy to read its meter.",
    ),
    (
        kinds.IdleDrifted(before_w=2.0, after_w=1.5, limit=0.05),
        "idle power drifted by 25% (2 W before, 1.5 W after), more than 5%: do not quote this "
        "figure",
    ),
    (
        kinds.ThroughputChanged(overhead=0.091),
        "throughput with the meter read differed by 9.1% from without it",
    ),
    (
        kinds.WindowsDropped(windows=2),
        "2 windows with gaps between readings were dropped",
    ),
    (
        kinds.EnergyModeled(target="pi", provenance="sbc-reviews", band=0.5),
        "Modeled from published watts of pi (sbc-reviews) and processor time, within +-50%; "
        "never to be compared with a measured figure.",
    ),
]
OBSTACLES = [
    (
        kinds.MeasuredApart(of="threads", values=(4, 1)),
        "they differ in threads (4, 1)",
    ),
    (kinds.EnergyAbsent(), "one of them has no energy figure"),
    (
        kinds.EnergyMetered(kind="methods_differ", values=("counter", "modeled")),
        "their energies are counter and modeled",
    ),
    (
        kinds.EnergyMetered(kind="boundaries_differ", values=("wall", None)),
        "their meters enclose different things (wall, None)",
    ),
]
UNMETERED = [
    ("costs_not_timed", "estimated", (), "costs are estimated"),
    (
        "costs_without_power",
        "operations",
        (),
        "costs are operations, and have no power",
    ),
    ("no_meter", "", ("rapl", "hwmon"), "no meter found: rapl, hwmon"),
    ("no_meter", "None was asked for.", (), "None was asked for."),
    ("none_resolved", "rapl", (), "rapl resolved the power of no operator"),
]


def basis(**changed: float) -> kinds.LaunchesPaired:
    bounds = {"ratio": 1.1, "low": 1.05, "high": 1.15, "confidence": 0.975}
    return kinds.LaunchesPaired(
        **{**bounds, "slower": 1.02, "tolerated": 1.05, **changed}
    )


CHECKS: list[tuple[kinds.CheckBasis, PairedVerdict, str]] = [
    (kinds.WithinLimit(least=True), "pass", "90, at least 80"),
    (
        kinds.Compared(agrees=True, relative_error=1e-6, samples=9, reference="a.pt2"),
        "pass",
        "answers as a.pt2 on 9 samples, relative error 1e-06",
    ),
    (
        kinds.Compared(agrees=False, relative_error=None, samples=9, reference="a.pt2"),
        "fail",
        "answers otherwise than a.pt2 on 9 samples",
    ),
    (
        kinds.ContractParts(changed=("inputs", "labels")),
        "fail",
        "changed: inputs, labels",
    ),
    (
        kinds.ContractParts(changed=()),
        "pass",
        "inputs, outputs and preprocessing are the baseline's",
    ),
    (kinds.NotMeasured(), "inconclusive", "not measured"),
    (kinds.WithinLimit(), "pass", "90 of 80 allowed"),
    (
        kinds.WithinLimit(doubts=(kinds.WindowsDropped(windows=2),)),
        "inconclusive",
        "90 of 80 allowed, but 2 windows with gaps between readings were dropped",
    ),
    (kinds.Counted(growth=0.1), "pass", "90 after 80"),
    (kinds.Counted(growth=0.1), "fail", "90 after 80, 10.0% more allowed"),
    (kinds.Counted(growth=0.0), "fail", "90 after 80"),
    (
        kinds.Scored(is_fraction=False, allowed=0.5),
        "fail",
        "90 after 80, 0.5 less allowed",
    ),
    (kinds.Scored(is_fraction=True, allowed=0.0), "fail", "9000.00% after 8000.00%"),
    (
        kinds.NothingPaired(),
        "inconclusive",
        "the baseline's artifact is not where it was measured, and only launches that take "
        "turns are comparable: name it with --against, or set --latency-ms",
    ),
    (
        basis(),
        "fail",
        "1.100 times the latency: slower by more than 2%, with 97.5% confidence",
    ),
    (
        basis(confidence=0.95),
        "pass",
        "1.100 times the latency: no slower than by 5%, with 95% confidence",
    ),
    (
        basis(),
        "inconclusive",
        "1.100 times the latency: between 1.050 and 1.150 times the latency (97.5% bounds): "
        "too noisy a machine to decide. Measure where nothing else runs, or with a longer tier",
    ),
    (kinds.EnergyBeside(u_mj=0.5), "pass", "90 mJ after 80 mJ (+-0.5 mJ)"),
    (
        kinds.EnergyUnjudged(kind="energy_modeled_only"),
        "inconclusive",
        "modeled energy never gates",
    ),
    (
        kinds.EnergyUnjudged(
            kind="energy_doubted", doubts=(kinds.WindowsDropped(windows=2),)
        ),
        "inconclusive",
        "2 windows with gaps between readings were dropped",
    ),
    (
        kinds.MeasuredApart(of="device", values=("ssh://a", "ssh://b")),
        "inconclusive",
        "measured on different devices (ssh://a, ssh://b)",
    ),
    (kinds.EnergyAbsent(), "inconclusive", "one of them has no energy figure"),
]


@pytest.mark.parametrize(("found", "expected"), FAULTS)
def test_a_fault(found: kinds.MeasurementFault, expected: str) -> None:
    assert words.fault(found) == expected


@pytest.mark.parametrize(("found", "expected"), ENERGIES)
def test_an_energy_reason(found: kinds.EnergyReason, expected: str) -> None:
    assert words.energy_reason(found) == expected


@pytest.mark.parametrize(("found", "expected"), OBSTACLES)
def test_an_obstacle(found: kinds.Incomparable, expected: str) -> None:
    assert words.incomparable(found) == expected


@pytest.mark.parametrize(("kind", "value", "meters", "expected"), UNMETERED)
def test_operators_without_energy(
    kind: str, value: str, meters: tuple[str, ...], expected: str
) -> None:
    found = kinds.OperatorsUnmetered(kind=kind, value=value, meters=meters)  # type: ignore[arg-type]
    assert words.unmetered(found) == expected


@pytest.mark.parametrize(("found", "verdict", "expected"), CHECKS)
def test_a_check(
    found: kinds.CheckBasis, verdict: PairedVerdict, expected: str
) -> None:
    check = Check(
        name="energy", kind="device", now=90, before=80, verdict=verdict, basis=found
    )
    assert words.check(check) == expected


def test_every_kind_is_here() -> None:
    for union, cases in (
        (kinds.MeasurementFault, FAULTS),
        (kinds.EnergyReason, ENERGIES),
        (kinds.Incomparable, OBSTACLES),
    ):
        assert {type(found) for found, _ in cases} == set(get_args(union))
    shown = {type(found) for found, _, _ in CHECKS} | {kinds.EnergyMetered}
    assert shown == set(get_args(kinds.CheckBasis))


def test_a_measurement_has_all_its_faults_in_one_line() -> None:
    measured = reports.report().candidates[0].measurement
    assert words.invalid(measured) is None
    found = (kinds.Throttled(kind="throttled_for_heat"), kinds.NoPlateau(warmup_s=5))
    assert words.invalid(replace(measured, invalid=found)) == (
        "the processor slowed itself down for heat; no launch reached a plateau in 5 s of "
        "warm-up"
    )
    assert words.energy_reasons(Energy()) is None
