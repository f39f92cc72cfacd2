"""Results of `benchmarks/latency_frontier.py`: frontiers, the comparison, a table and a
plot."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean, geometric_mean, median, stdev
from typing import Any

from benchmarks.frontier_edgekit import COUNTED, METHOD, TARGETS
from benchmarks.frontier_peers import PEERS, UNIFORM
from benchmarks.results import Row
from edgekit.types import Precision

DEFAULT = tuple(name for name in PEERS if "round" not in name)
COLORS = {METHOD: "#D55E00", UNIFORM: "#9AA5B1"}
Point = tuple[float, float]
"""(accuracy, latency as a fraction of the unpruned network's)."""


def means(rows: Sequence[Row]) -> list[Row]:
    """One row a cut: accuracies over seeds."""
    together: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        together[row["method"], row["target"], row["point"]].append(row)
    found = []
    for (method, target, point), several in sorted(together.items()):
        values = [row["accuracy_test"] for row in several]
        in_int8 = [v for row in several if (v := row["accuracy_test_int8"]) is not None]
        found.append(
            {
                "method": method,
                "target": target,
                "point": point,
                "seeds": len(several),
                "parameters": several[0]["parameters"],
                "accuracy": fmean(values),
                "accuracy_std": stdev(values) if len(values) > 1 else None,
                "accuracy_int8": fmean(in_int8) if in_int8 else None,
            }
        )
    return found


def summarize(
    cuts: Sequence[Row],
    latencies: Mapping[str, Mapping[str, float]],
    whole: Mapping[Precision, float],
) -> Row:
    """Speed-ups over peers at equal accuracy, and accuracies gained at equal latency.

    A peer's frontier runs from the unpruned network through its own cuts, straight between
    neighbors, the best of several methods at each accuracy. Each of EdgeKit's cuts is compared
    where some peer has networks both better and worse than it; others are left out and counted.
    `whole` is the unpruned network's accuracy in each precision.
    """
    by_target = {}
    for target, us in latencies.items():
        if target not in TARGETS:
            continue
        precision = TARGETS[target][1]
        curves = {
            method: _curve(cuts, us, method, "any", whole, precision)
            for method in (*PEERS, UNIFORM)
        }
        ours = _points(cuts, us, METHOD, target, precision)
        if not ours:
            continue
        by_target[target] = {
            "over_tp_default": _ratios(ours, [curves[m] for m in DEFAULT]),
            "over_tp_best_rounding": _ratios(ours, [curves[m] for m in PEERS]),
            "over_uniform": _ratios(ours, [curves[UNIFORM]]),
            "accuracy_gain_at_equal_latency": _gains(ours, [curves[m] for m in PEERS]),
            "points": len(ours),
        }
    return {
        "speedup_over_tp_default_at_equal_accuracy": _all(by_target, "over_tp_default"),
        "speedup_over_tp_best_rounding_at_equal_accuracy": _all(
            by_target, "over_tp_best_rounding"
        ),
        "speedup_over_uniform_width_at_equal_accuracy": _all(by_target, "over_uniform"),
        "by_target": by_target,
    }


def prediction_errors(
    plans: Mapping[tuple[str, float], Row],
    latencies: Mapping[str, Mapping[str, float]],
    name_of: Mapping[tuple[str, float], str],
) -> dict[str, float]:
    """Median relative error of the speed-up each plan promised, by the source of its costs."""
    errors: dict[str, list[float]] = defaultdict(list)
    for (target, point), plan in plans.items():
        us = latencies.get(target, {})
        name = name_of[target, point]
        if name in us:
            measured = us["whole"] / us[name]
            promised = plan["predicted_speedup"]
            errors[plan["provenance"]].append(abs(promised - measured) / measured)
    return {provenance: median(values) for provenance, values in errors.items()}


def _points(
    cuts: Sequence[Row],
    us: Mapping[str, float],
    method: str,
    target: str,
    precision: Precision,
) -> list[Point]:
    accuracy = "accuracy" if precision == "fp32" else "accuracy_int8"
    return [
        (cut[accuracy], us[cut["name"]] / us["whole"])
        for cut in cuts
        if cut["method"] == method and cut["target"] == target and cut["name"] in us
    ]


def _curve(
    cuts: Sequence[Row],
    us: Mapping[str, float],
    method: str,
    target: str,
    whole: Mapping[Precision, float],
    precision: Precision,
) -> list[Point]:
    """By falling accuracy, from the unpruned network on."""
    points = _points(cuts, us, method, target, precision)
    return [(whole[precision], 1.0), *sorted(points, reverse=True)]


def _latency(curve: Sequence[Point], accuracy: float) -> float | None:
    """The least latency on a curve with at least this accuracy; `None` where none has it."""
    found = []
    for (better, slow), (worse, fast) in pairwise(curve):
        if worse <= accuracy <= better:
            part = (better - accuracy) / (better - worse) if better > worse else 1.0
            found.append(slow + part * (fast - slow))
    # A cut that is both more accurate and faster serves as well.
    found += [latency for better, latency in curve if better >= accuracy]
    return min(found, default=None)


def _accuracy(curve: Sequence[Point], latency: float) -> float | None:
    """The best accuracy on a curve at this latency; `None` outside of it."""
    by_latency = sorted((latency, accuracy) for accuracy, latency in curve)
    if not by_latency[0][0] <= latency <= by_latency[-1][0]:
        return None
    found = [accuracy for fast, accuracy in by_latency if fast <= latency]
    for (fast, one), (slow, other) in pairwise(by_latency):
        if fast <= latency <= slow and slow > fast:
            found.append(one + (latency - fast) / (slow - fast) * (other - one))
    return max(found)


def _ratios(ours: Sequence[Point], curves: Sequence[Sequence[Point]]) -> list[float]:
    ratios = []
    for accuracy, latency in ours:
        known = [v for c in curves if (v := _latency(c, accuracy)) is not None]
        if known and any(curve[-1][0] <= accuracy for curve in curves):
            ratios.append(min(known) / latency)
    return ratios


def _gains(ours: Sequence[Point], curves: Sequence[Sequence[Point]]) -> list[float]:
    gains = []
    for accuracy, latency in ours:
        known = [v for c in curves if (v := _accuracy(c, latency)) is not None]
        if known:
            gains.append(accuracy - max(known))
    return gains


def _all(by_target: Mapping[str, Row], key: str) -> float | None:
    ratios = [ratio for found in by_target.values() for ratio in found[key]]
    return geometric_mean(ratios) if ratios else None


def plot(
    cuts: Sequence[Row],
    latencies: Mapping[str, Mapping[str, float]],
    whole: Mapping[Precision, float],
    path: Path,
) -> None:
    """Accuracy against measured latency, a panel for each runtime, as one HTML file."""
    from plotly.subplots import make_subplots

    targets = [target for target in latencies if target in TARGETS]
    figure = make_subplots(rows=1, cols=len(targets), subplot_titles=targets)
    methods = (*PEERS, UNIFORM, METHOD)
    palette = ("#0072B2", "#56B4E9", "#88CCEE", "#009E73", "#66C2A5", "#A6D854")
    for column, target in enumerate(targets, 1):
        us = latencies[target]
        for number, method in enumerate(methods):
            own = target if method == METHOD else "any"
            curve = _curve(cuts, us, method, own, whole, TARGETS[target][1])
            color = COLORS.get(method, palette[number % len(palette)])
            figure.add_scatter(
                x=[latency * us["whole"] for _, latency in curve],
                y=[100 * accuracy for accuracy, _ in curve],
                name=method,
                mode="lines+markers",
                line={"color": color, "width": 4 if method == METHOD else 1.5},
                legendgroup=method,
                showlegend=column == 1,
                row=1,
                col=column,
            )
    figure.update_xaxes(title_text="Latency (us, measured)")
    for column, target in enumerate(targets, 1):
        if target == COUNTED:
            figure.update_xaxes(title_text="Instructions (counted)", col=column)
    figure.update_yaxes(title_text="Test accuracy (%)", col=1)
    figure.update_layout(height=520, width=560 * len(targets), template="plotly_white")
    figure.write_html(path, include_plotlyjs="cdn")


def markdown(
    cuts: Sequence[Row], latencies: Mapping[str, Mapping[str, float]]
) -> list[str]:
    """The table of `RESULTS.md`."""
    targets = list(latencies)
    heads = " | ".join(t if t == COUNTED else f"{t} us" for t in targets)
    lines = [
        f"| method | point | weights | accuracy | in int8 | {heads} |",
        "|---|---:|---:|---:|---:|" + "---:|" * len(targets),
    ]
    for cut in cuts:
        own = cut["target"]
        name = cut["method"] if own == "any" else f"{cut['method']} for {own}"
        times = " | ".join(_us(latencies[t].get(cut["name"])) for t in targets)
        spread = cut["accuracy_std"]
        accuracy = f"{cut['accuracy']:.1%}" + (f" ± {spread:.1%}" if spread else "")
        small = cut["accuracy_int8"]
        int8 = "–" if small is None else f"{small:.1%}"
        weights = f"{cut['parameters']:,}"
        lines.append(
            f"| {name} | {cut['point']:g} | {weights} | {accuracy} | {int8} | {times} |"
        )
    return lines


def _us(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:,.0f}"
