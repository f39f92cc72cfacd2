"""Where an artifact's time goes, operator by operator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.devices import Device, jobs
from edgekit.runtimes import registry
from edgekit.scratch import folder as scratch_folder
from edgekit.types import Artifact, OperatorProfile, Profile

_LIMIT_S = 300.0
_SPLIT = "operator_split"
"""Of a runtime's folder, where its Python interpreter has no profiler."""


def profile(artifact: Artifact, device: Device, *, threads: int) -> Profile:
    """Median time of each operator and its fraction; raises the errors of `Device.run`."""
    runtime = registry.get(artifact.runtime)
    if not runtime.has(_SPLIT):
        job = jobs.profile(artifact, threads=threads)
        return _profile(artifact, device, device.run(job, timeout_s=_LIMIT_S))
    with scratch_folder() as folder:
        parts = runtime.part(_SPLIT).split(artifact.files[0], Path(folder))
        job = jobs.profile(
            artifact, threads=threads, models=[part.path for part in parts]
        )
        result = device.run(job, timeout_s=_LIMIT_S)
        for row, part in zip(result["operators"], parts, strict=True):
            row["name"], row["kind"] = part.name, part.kind
        return _profile(artifact, device, result)


def _profile(artifact: Artifact, device: Device, result: Mapping[str, Any]) -> Profile:
    total = sum(row["us"] for row in result["operators"]) or 1.0
    return Profile(
        artifact=artifact.name,
        device=device.name,
        provenance=device.provenance,
        runtime=result["runtime"],
        runtime_version=result["runtime_version"],
        threads=result["threads"],
        method=result["method"],
        operators=tuple(
            OperatorProfile(fraction=row["us"] / total, **row)
            for row in result["operators"]
        ),
    )


def plot(found: Profile) -> str:
    """The profile as one HTML file that needs no network."""
    from plotly import graph_objects

    rows = sorted(found.operators, key=lambda one: one.us)
    colors = ["#c0392b" if one.fast is False else "#2c6e9b" for one in rows]
    bars = graph_objects.Bar(
        x=[one.us for one in rows],
        y=[f"{number} {one.kind} {one.name}" for number, one in enumerate(rows)],
        orientation="h",
        marker={"color": colors},
        customdata=[[one.fraction * 100, one.kernel or ""] for one in rows],
        hovertemplate="%{y}<br>%{x:.2f} us, %{customdata[0]:.1f} %<br>%{customdata[1]}",
    )
    title = (
        f"{found.artifact} on {found.device}, {found.runtime} {found.runtime_version} "
        f"({found.method}; red: off the fast path)"
    )
    figure = graph_objects.Figure(
        bars,
        layout={
            "title": title,
            "height": 200 + 18 * len(rows),
            "xaxis": {"title": "microseconds by inference"},
            "yaxis": {"automargin": True},
            "template": "plotly_white",
        },
    )
    return str(figure.to_html(include_plotlyjs=True, full_html=True))
