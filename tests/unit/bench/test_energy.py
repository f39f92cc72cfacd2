from __future__ import annotations

from typing import Any

import pytest

from edgekit.bench.energy import comparable, grams_per_million, modeled, summarize
from edgekit.config.targets import load
from edgekit.errors import UsageError
from edgekit.report import measurement_words as words
from edgekit.types import Energy
from edgekit.types.measurement_notes import EnergyAbsent, EnergyMetered, NoMeter


def window(joules: float, seconds: float, runs: int, gap_s: float | None = None) -> Any:
    return {"joules": joules, "seconds": seconds, "runs": runs, "gap_s": gap_s}


def result(**changes: Any) -> dict[str, Any]:
    """1000 inferences a second at 5 W, 2 W when idle."""
    return {
        "meter": "rapl",
        "reason": None,
        "method": "counter",
        "boundary": "package",
        "gain_uncertainty": 0.02,
        "sampler_hz": None,
        "sampler_cpu_fraction": 0.001,
        "untraced_runs_per_s": 1000.0,
        "idle_before": window(20, 10, 0),
        "idle_after": window(20, 10, 0),
        "windows": [window(50, 10, 10_000)] * 5,
        "samples_ns": [1_000_000] * 50,
        **changes,
    }


def test_gross_and_net_are_joules_of_an_inference() -> None:
    found = summarize(result())
    assert found.gross_mj == pytest.approx(5.0)
    assert found.net_mj == pytest.approx(3.0)
    assert found.gross_u_mj == pytest.approx(2 * 0.02 * 5.0)
    assert found.net_u_mj == pytest.approx(2 * 0.02 * 3.0)
    assert found.p50_ms == 1.0
    assert (found.idle_before_w, found.idle_after_w) == (2.0, 2.0)
    assert (found.overhead, found.reader_cpu) == (0.0, 0.001)
    assert found.reasons == ()


def test_windows_that_differ_and_idles_that_differ_widen_the_uncertainty() -> None:
    uneven = [window(50 + step, 10, 10_000) for step in (-1, 0, 0, 0, 1)]
    found = summarize(result(windows=uneven, idle_after=window(20.4, 10, 0)))
    # Standard error of the windows 0.0316 mJ; of the idles 0.02 W over 1 ms: 0.02 mJ.
    assert found.gross_u_mj == pytest.approx(2 * (0.1**2 + 0.0316**2) ** 0.5, rel=0.01)
    net = 5.0 - 2.02
    expected = 2 * ((0.02 * net) ** 2 + 0.0316**2 + 0.02**2) ** 0.5
    assert found.net_u_mj == pytest.approx(expected, rel=0.01)


def test_doubts_are_reported() -> None:
    drifted = summarize(result(idle_after=window(24, 10, 0)))
    assert "drifted by 17%" in (words.energy_reasons(drifted) or "")
    slowed = summarize(result(untraced_runs_per_s=1100.0))
    assert "differed by 9.1%" in (words.energy_reasons(slowed) or "")


def test_windows_with_gaps_are_dropped() -> None:
    windows = [window(50, 10, 10_000, 0.1)] * 4 + [window(90, 10, 10_000, 2.0)]
    found = summarize(result(windows=windows, sampler_hz=10.0))
    assert found.gross_mj == pytest.approx(5.0)
    assert found.windows == 4
    nothing = summarize(result(windows=windows[4:], sampler_hz=10.0))
    assert nothing.gross_mj is None
    assert "too busy" in (words.energy_reasons(nothing) or "")


def test_no_meter_is_not_a_figure() -> None:
    found = summarize({"meter": None, "reason": "No meter."})
    assert found == Energy(reasons=(NoMeter(detail="No meter."),))


def test_the_reason_of_each_meter_is_kept_by_its_name() -> None:
    why = {"rapl": "only root may read it", "hwmon": "no chip has a power sensor"}
    found = summarize({"meter": None, "reason": "No meter.", "unreadable": why})
    assert found == Energy(reasons=(NoMeter(),), unreadable=why)


def test_modeled_energy_has_its_band_and_its_label() -> None:
    launch = {"samples_ns": [0] * 1000, "timed_s": 10.0, "cpu_s": 10.0}
    target = load("raspberrypi4")
    found = modeled(target, [launch])
    idle, full = target.power.idle_w, target.power.load_w
    assert idle is not None
    assert full is not None
    # One of four processors was busy.
    assert found.gross_mj == pytest.approx(10.0 * (idle + 0.25 * (full - idle)))
    assert found.gross_u_mj == pytest.approx(found.gross_mj * 0.5)
    assert found.method == "modeled"
    assert "never to be compared" in (words.energy_reasons(found) or "")
    with pytest.raises(UsageError, match="no published watts"):
        modeled(load("host"), [launch])


def test_carbon_needs_joules() -> None:
    assert grams_per_million(Energy(gross_mj=3.6), 400.0) == pytest.approx(0.4)
    assert grams_per_million(Energy(reasons=(NoMeter(),)), 400.0) is None


def test_figures_of_different_kinds_are_not_compared() -> None:
    counted = Energy(gross_mj=1.0, method="counter", boundary="package")
    assert comparable(counted, counted) is None
    modeled_ = Energy(gross_mj=1.0, method="modeled", boundary="package")
    assert comparable(counted, modeled_) == EnergyMetered(
        kind="methods_differ", values=("counter", "modeled")
    )
    wall = Energy(gross_mj=1.0, method="counter", boundary="wall")
    assert comparable(counted, wall) == EnergyMetered(
        kind="boundaries_differ", values=("package", "wall")
    )
    assert comparable(counted, Energy()) == EnergyAbsent()
