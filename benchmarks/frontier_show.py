"""Results of `benchmarks/latency_frontier.py`: the comparison at equal accuracy, tables, a plot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean, geometric_mean, stdev
from typing import Any

from benchmarks.frontier_edgekit import METHOD
from benchmarks.frontier_networks import NETWORKS, Network
from benchmarks.frontier_peers import DEFAULT, UNCUT, deepest_of
from benchmarks.results import Row

NEAR = 0.01
"""A cut ships as the fastest of its files that lose no more than this beside the best of them."""
OVER_DEFAULT, OVER_BEST = "speedup_over_tp_default_fp32", "speedup_over_best_peer"
Point = tuple[float, float]
"""(accuracy, latency as a fraction of the uncut fp32 file's)."""
Curve = Sequence[Point]


def means(rows: Sequence[Row]) -> list[Row]:
    """One row a file of a cut: the mean over the seeds that have a latency."""
    together: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    names = ("network", "target", "method", "point", "precision")
    for row in rows:
        if row["us"] is not None:
            together[tuple(row[name] for name in names)].append(row)
    found = []
    for key, several in sorted(together.items(), key=lambda item: str(item[0])):
        values = [row["accuracy"] for row in several]
        found.append(
            {
                **dict(zip(names, key, strict=True)),
                "seeds": len(several),
                "metric": several[0]["metric"],
                "parameters": several[0]["parameters"],
                "accuracy": fmean(values),
                "accuracy_std": stdev(values) if len(values) > 1 else None,
                "us": fmean(row["us"] for row in several),
                "fraction": fmean(row["fraction"] for row in several),
            }
        )
    return found


def summarize(rows: Sequence[Row]) -> Row:
    """Speed-ups at equal accuracy of the shipped file, by network, and their geometric means.

    A peer's frontier runs from the uncut network's file in a precision through the peer's cuts in
    that precision, straight between neighbors; several are taken together as the best of them at
    each accuracy. Each of EdgeKit's cuts is compared where some peer is as bad; where no peer is
    as good, at the best accuracy that one has. Cuts without a comparison are left out and counted.
    """
    networks = {name: _of_network(rows, name) for name in NETWORKS}
    known = {
        key: [one[key] for one in networks.values() if one[key] is not None]
        for key in (OVER_DEFAULT, OVER_BEST)
    }
    return {
        **{key: geometric_mean(v) if v else None for key, v in known.items()},
        "networks": networks,
    }


def speedups(rows: Sequence[Row], network: Network, target: str) -> tuple[float, ...]:
    """Speed-ups that EdgeKit is asked for: those at which the peers' files stand.

    The last is that of the fastest of them but the deepest cuts, over the fastest file of the
    uncut network; the others lead there in equal factors. The network's own `speedups` where no
    peer was timed, or none is faster than the uncut network.
    """
    files = [
        row
        for row in means(rows)
        if (row["network"], row["target"]) == (network.name, target)
    ]
    uncut = [row["fraction"] for row in files if row["method"] == UNCUT]
    cut = [
        row["fraction"]
        for row in files
        if row["method"] not in (UNCUT, METHOD)
        and row["point"] != deepest_of(network, row["method"])
    ]
    if not uncut or not cut or min(cut) >= min(uncut):
        return network.speedups
    whole, count = min(uncut) / min(cut), len(network.speedups)
    return tuple(round(whole ** (n / count), 2) for n in range(1, count + 1))


def _of_network(rows: Sequence[Row], network: str) -> Row:
    found: dict[str, list[float]] = {OVER_DEFAULT: [], OVER_BEST: []}
    by_target: dict[str, dict[str, list[float]]] = {}
    points = 0
    for target, files in _by_target(rows, network).items():
        ours = list(shipped(files))
        points += len(ours)
        curves = peers(files)
        default = [curves[m, "fp32"] for m in DEFAULT if (m, "fp32") in curves]
        here = {
            OVER_DEFAULT: ratios(ours, default),
            OVER_BEST: ratios(ours, [*curves.values()]),
        }
        by_target[target] = here
        for key, values in here.items():
            found[key] += values
    return {
        **{key: geometric_mean(v) if v else None for key, v in found.items()},
        "points": points,
        "compared": {key: len(values) for key, values in found.items()},
        "by_target": by_target,
    }


def _by_target(rows: Sequence[Row], network: str) -> Mapping[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in means([row for row in rows if row["network"] == network]):
        found[row["target"]].append(row)
    return found


def shipped(files: Sequence[Row]) -> Iterator[Point]:
    """The file that ships of each of EdgeKit's cuts for a target."""
    cuts: dict[float, list[Row]] = defaultdict(list)
    for row in files:
        if row["method"] == METHOD:
            cuts[row["point"]].append(row)
    for several in cuts.values():
        best = max(row["accuracy"] for row in several)
        near = [row for row in several if row["accuracy"] >= best - NEAR]
        row = min(near, key=lambda one: one["fraction"])
        yield row["accuracy"], row["fraction"]


def peers(files: Sequence[Row]) -> dict[tuple[str, str], Curve]:
    """The frontiers of the peers for a target, by method and precision.

    The uncut network's files are a method, too: each by itself.
    """
    cuts: dict[tuple[str, str], list[Point]] = defaultdict(list)
    for row in files:
        if row["method"] != METHOD:
            point = row["accuracy"], row["fraction"]
            cuts[row["method"], row["precision"]].append(point)
    return {
        (method, precision): [
            *(cuts.get((UNCUT, precision), []) if method != UNCUT else []),
            *sorted(points, reverse=True),
        ]
        for (method, precision), points in cuts.items()
    }


def latency(curve: Curve, accuracy: float) -> float | None:
    """The least latency on a curve with at least this accuracy; `None` where none has it."""
    # A cut that is both more accurate and faster serves as well.
    found = [fraction for better, fraction in curve if better >= accuracy]
    for (better, slow), (worse, fast) in pairwise(curve):
        if worse <= accuracy < better:
            part = (better - accuracy) / (better - worse)
            found.append(slow + part * (fast - slow))
    return min(found, default=None)


def ratios(ours: Sequence[Point], curves: Sequence[Curve]) -> list[float]:
    """The least latency of the curves over ours, at the accuracy of each of our points."""
    every = [point for curve in curves for point in curve]
    if not every:
        return []
    best, worst = max(every)[0], min(every)[0]
    found = []
    for accuracy, fraction in ours:
        if accuracy < worst:
            continue
        known = (latency(curve, min(accuracy, best)) for curve in curves)
        found.append(min(v for v in known if v is not None) / fraction)
    return found


def plot(rows: Sequence[Row], path: Path) -> None:
    """Accuracy against measured latency, a panel a network and target, as one HTML file."""
    from plotly.subplots import make_subplots

    panels = [
        (name, target, files)
        for name in NETWORKS
        for target, files in _by_target(rows, name).items()
    ]
    if not panels:
        return
    titles = [f"{name}, {target}" for name, target, _ in panels]
    count = -(-len(panels) // 2)
    figure = make_subplots(rows=count, cols=2, subplot_titles=titles)
    for number, (_, _, files) in enumerate(panels):
        place = {"row": number // 2 + 1, "col": number % 2 + 1}
        lines: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in files:
            lines[row["method"], row["precision"]].append(row)
        for (method, precision), several in sorted(lines.items()):
            several.sort(key=lambda row: row["us"])
            ours = method == METHOD
            figure.add_scatter(
                x=[row["us"] for row in several],
                y=[100 * row["accuracy"] for row in several],
                name=f"{method}, {precision}",
                mode="lines+markers",
                line={"width": 4} if ours else {"width": 1.5},
                legendgroup=f"{method}, {precision}",
                showlegend=number == 0,
                **place,
            )
    figure.update_xaxes(title_text="Latency (us, measured)")
    figure.update_yaxes(title_text="Metric on test samples (%)", col=1)
    figure.update_layout(height=420 * count, width=1300, template="plotly_white")
    figure.write_html(path, include_plotlyjs="cdn")


def markdown(rows: Sequence[Row]) -> list[str]:
    """The tables of `RESULTS.md`: the two figures of each network, and every file."""
    found = summarize(rows)
    lines = [
        "| network | over Torch-Pruning's default in fp32 | over the best peer | plans compared |",
        "|---|---:|---:|---:|",
    ]
    for name, one in found["networks"].items():
        compared = f"{max(one['compared'].values())} of {one['points']}"
        lines.append(
            f"| {name} | {_times(one[OVER_DEFAULT])} | {_times(one[OVER_BEST])} | {compared} |"
        )
    overall = f"{_times(found[OVER_DEFAULT])} | {_times(found[OVER_BEST])}"
    lines += [f"| geometric mean | {overall} | |", ""]
    lines += [
        "| network | target | method | point | file | metric | us | of the uncut fp32 file |",
        "|---|---|---|---:|---|---:|---:|---:|",
    ]
    for row in means(rows):
        spread = row["accuracy_std"]
        value = f"{row['accuracy']:.1%}" + (f" ± {spread:.1%}" if spread else "")
        lines.append(
            f"| {row['network']} | {row['target']} | {row['method']} | {row['point']:g} "
            f"| {row['precision']} | {value} | {row['us']:,.0f} | {row['fraction']:.3f} |"
        )
    return lines


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}x"
