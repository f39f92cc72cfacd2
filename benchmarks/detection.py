"""The detector of `examples/detect`, cut and distilled without and with labels.

    python -m benchmarks.detection [--only unlabeled] [--settings KEY=VALUE ...]

The example is built for this machine by `edgekit build`, cut to 40 million multiply-adds, and again
with its own loss by labels. mAP50 and mAP50-95 on the example's test photographs are of PyTorch and
of each file on its own runtime on this machine; speed-ups over the uncut fp32 network on the same
runtime are the build's, from paired launches. Writes `benchmarks/results/detection.json`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import edgekit as ek
from benchmarks.results import Row, Table
from edgekit import sources
from edgekit.api.environment import attached_environment
from edgekit.commands.build import read_request
from edgekit.commands.console import Bars, err_console
from edgekit.config.resources import shipped
from edgekit.errors import BudgetMissed
from edgekit.pipeline import build
from edgekit.pipeline.request import BuildRequest
from edgekit.store import Store
from edgekit.types import Candidate, NetworkSummary, Report

TARGET = "host"
SHARED = (
    "budget.mmacs=40",  # of 57: int8 alone keeps the other budgets, so nothing is cut
    "recipe.prune.cost_provenance=estimated",
    "recipe.minutes=0",
    "recipe.distill.epochs=16",
    "recipe.quantize.qat=never",
    "recipe.bench.runtime_options_s=0",
)
"""One cut of a fixed depth and one training, so that the two builds differ by the loss alone."""
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "unlabeled": SHARED,
    "labeled": (*SHARED, "task.loss=loss.py:loss"),
}
"""Of the project, by what the student learns from."""
METRICS = {"map50": "map-50", "map50_95": "map"}
PACKAGES = ("torch", "faster-coco-eval", "ai-edge-litert", "onnxruntime", "openvino")
Figures = Mapping[str, float]


def main() -> None:
    """Build, evaluate and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=[*SETTINGS])
    parser.add_argument("--work", type=Path, default=Store().root / "detection")
    parser.add_argument("--settings", nargs="*", default=(), metavar="KEY=VALUE")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    table = Table("detection", ("learned_from", "file"), PACKAGES)
    for name in [chosen.only] if chosen.only else SETTINGS:
        for row in rows(name, chosen.work / name, chosen.settings):
            print(json.dumps(row), flush=True)
            table.add(row, summary)


def rows(name: str, out: Path, settings: Sequence[str]) -> list[Row]:
    """Of the network, its student and the files of the build `name`."""
    bars = Bars(err_console, silent=False)
    folder = shipped("examples/detect")
    request = read_request(folder, TARGET, bars, settings=(*SETTINGS[name], *settings))
    started = time.perf_counter()
    report = built(request, out, bars)
    seconds = round(time.perf_counter() - started)
    judge = Judge(request)
    networks = judge.network(), ek.load(out / "student.pt2")
    found = [
        of_network("network", networks[0], report.teacher, judge),
        of_network("student", networks[1], report.student, judge),
        *(of_file(one, out, judge) for one in report.candidates),
    ]
    return [{"learned_from": name, **row, "build_seconds": seconds} for row in found]


def of_network(
    name: str, network: ek.Network, facts: NetworkSummary, judge: Judge
) -> Row:
    """The row of a network in PyTorch."""
    return {
        "file": name,
        "runtime": "PyTorch",
        "precision": "fp32",
        **judge.figures(network),
        "speedup": None,
        "macs": facts.macs,
        "parameters": facts.parameters,
    }


def of_file(candidate: Candidate, out: Path, judge: Judge) -> Row:
    """The row of a file in the bundle `out`."""
    files = tuple(out / file for file in candidate.artifact.files)
    artifact = replace(candidate.artifact, files=files)
    return {
        "file": artifact.name,
        "runtime": artifact.runtime,
        "precision": artifact.precision,
        **judge.figures(artifact),
        "speedup": round(candidate.speedup, 3),
        "p50_ms": candidate.measurement.latency.p50_ms,
        "kib": sum(file.stat().st_size for file in files) // 1024,
        "chosen": candidate.chosen,
    }


def built(request: BuildRequest, out: Path, bars: Bars) -> Report:
    """The report of a whole build; a bundle over its budget counts as what it is."""
    with attached_environment(request, device="local", progress=bars) as env:
        try:
            return build.build(request, env, out)
        except BudgetMissed as missed:
            print(missed, flush=True)
            assert isinstance(missed.report, Report)
            return missed.report


class Judge:
    """Both metrics on the test photographs."""

    def __init__(self, request: BuildRequest) -> None:
        self._project = project = request.project
        self._data = ek.Data(
            test=str(project.root / project.data.test),
            task=project.task,
            preprocess=project.data.preprocess,
        )

    def network(self) -> ek.Network:
        """The example's network with its weights."""
        given = self._project
        return ek.Network(sources.load(given.model, root=given.root))

    def figures(self, subject: Any) -> Figures:
        """Of a network, or of a file on its runtime."""
        found = {
            key: ek.evaluate(subject, self._data, metric=metric).value
            for key, metric in METRICS.items()
        }
        return {key: round(value, 4) for key, value in found.items()}


def summary(rows: list[Row]) -> Row:
    """The file that each build chose, beside the network in PyTorch."""
    found: Row = {}
    for name in SETTINGS:
        own = [row for row in rows if row["learned_from"] == name]
        network = next((row for row in own if row["file"] == "network"), None)
        chosen = next((row for row in own if row.get("chosen")), None)
        if network and chosen:
            found[name] = {
                "file": chosen["file"],
                "speedup": chosen["speedup"],
                **{
                    f"{key}_lost": round(network[key] - chosen[key], 4)
                    for key in METRICS
                },
            }
    return found


if __name__ == "__main__":
    main()
