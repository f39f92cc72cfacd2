"""Figures of measured results as SVG, from the rows in `benchmarks/results/`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 340, 70, 50, 40, 20
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""Distinct to the color-blind; each line has a mark of its own as well."""
Points = Sequence[tuple[float, float]]


def plots() -> Iterator[tuple[str, str]]:
    """File name below `docs/` and text of each figure."""
    rows = _read("staircase")["rows"]
    for provenance, unit in (("host", "us"), ("counted", "1000 instructions")):
        scale = 1 if provenance == "host" else 1000
        lines = {
            precision: sorted(
                (row["width"], row["cost"] / scale)
                for row in rows
                if (row["provenance"], row["precision"]) == (provenance, precision)
            )
            for precision in ("fp32", "int8")
        }
        yield (
            f"images/staircase-{provenance}.svg",
            plot(lines, "output channels of a 3x3 convolution", unit, steps=True),
        )
    yield (
        "images/frontier.svg",
        _frontier(_read("latency_frontier_resnet20")["summary"]),
    )


def _read(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def _frontier(summary: Mapping[str, Any]) -> str:
    latency = summary["latency_us"]["litert-fp32"]
    lines: dict[str, list[tuple[float, float]]] = {}
    for cut in summary["cuts"]:
        own = cut["method"] == "edgekit"
        if own and cut["target"] != "litert-fp32":
            continue
        if own or cut["method"] in ("torch-pruning taylor", "uniform width"):
            point = (latency[cut["name"]], 100 * cut["accuracy"])
            lines.setdefault(cut["method"], []).append(point)
    whole = (latency["whole"], 100 * summary["whole_accuracy_test"])
    ordered = {name: sorted([*points, whole]) for name, points in lines.items()}
    return plot(ordered, "us an inference, LiteRT fp32, one thread", "accuracy (%)")


def plot(
    lines: Mapping[str, Points], across: str, up: str, *, steps: bool = False
) -> str:
    """Lines with marks; `steps` draws a line level up to the next point."""
    every = [point for points in lines.values() for point in points]
    place = _Scale(every, zero=steps)
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'role="img" font-family="sans-serif" font-size="13">',
            f"<title>{escape(up)} by {escape(across)}: {escape(', '.join(lines))}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            *_axes(place, across, up),
            *(
                part
                for n, (name, points) in enumerate(lines.items())
                for part in _line(place, n, name, points, steps=steps)
            ),
            "</svg>\n",
        )
    )


class _Scale:
    """From values to places in the picture; both axes begin and end at round numbers."""

    def __init__(self, points: Points, *, zero: bool) -> None:
        xs, ys = zip(*points, strict=True)
        self.x = _ticks(0.0 if zero else min(xs), max(xs))
        self.y = _ticks(0.0 if zero else min(ys), max(ys))

    def __call__(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x[0]) / (self.x[-1] - self.x[0])
        up = (y - self.y[0]) / (self.y[-1] - self.y[0])
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - up * (HEIGHT - BOTTOM - TOP), 1),
        )


def _ticks(least: float, most: float) -> list[float]:
    """Round numbers around a range, four to nine of them."""
    power = 10.0 ** math.floor(math.log10((most - least) / 4))
    step = next(power * n for n in (10, 5, 2, 1) if power * n <= (most - least) / 4)
    first, last = math.floor(least / step), math.ceil(most / step)
    return [step * n for n in range(first, last + 1)]


def _axes(place: _Scale, across: str, up: str) -> Iterator[str]:
    for y in place.y:
        _, height = place(place.x[0], y)
        yield (
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height}" y2="{height}" '
            'stroke="#dddddd"/>'
        )
        yield f'<text x="{LEFT - 8}" y="{height + 4}" text-anchor="end">{y:g}</text>'
    for x in place.x:
        left, _ = place(x, place.y[0])
        yield f'<text x="{left}" y="{HEIGHT - 30}" text-anchor="middle">{x:g}</text>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>'
    yield f'<text x="8" y="18">{escape(up)}</text>'


def _line(
    place: _Scale, n: int, name: str, points: Points, *, steps: bool
) -> Iterator[str]:
    color, path = COLORS[n], ""
    for x, y in points:
        left, height = place(x, y)
        path += f"V{height}" if path and steps else ""
        path += f"{'L' if path else 'M'}{left},{height}"
        if n % 2:
            shape = f'<rect x="{left - 4}" y="{height - 4}" width="8" height="8"'
        else:
            shape = f'<circle cx="{left}" cy="{height}" r="4"'
        yield f'{shape} fill="{color}"/>'
    yield f'<path d="{path}" fill="none" stroke="{color}" stroke-width="2"/>'
    left = LEFT + 155 * n + 110
    yield f'<rect x="{left}" y="8" width="12" height="12" fill="{color}"/>'
    yield f'<text x="{left + 18}" y="19">{escape(name)}</text>'
