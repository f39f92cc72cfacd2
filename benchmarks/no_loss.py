"""A ResNet-56 at 2.1x and a ResNet-20 at 2x of measured latency: what do they lose?

    python -m benchmarks.no_loss cut     # timings: a short idle spell for each network
    python -m benchmarks.no_loss train   # any machine; goes on with the seeds that are missing

Papers state such speed-ups in operations (Fang et al., 2023, arXiv:2301.12900, for the ResNet-56);
here it is the latency on LiteRT, fp32, one thread. Peers are cut until their files are as fast:
DepGraph, which trains the network sparse by groups first, and ModelOpt's FastNAS
(`FRONTIER_NAS_PYTHON`, see `benchmarks/frontier_fastnas.py`). All are trained alike, by the
teacher's outputs on 20,000 images, a fifth of them for validation, and judged as files by all
10,000 test images. A row of `benchmarks/results/no_loss.json` is one (network, method, seed).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median, stdev

import torch

from benchmarks.frontier_edgekit import METHOD, Bench, cut_for
from benchmarks.frontier_networks import (
    NETWORKS,
    ROOT,
    TEACHER_IMAGES,
    Network,
    Places,
    project_of,
)
from benchmarks.frontier_peers import DEPGRAPH, NAS, NAS_PYTHON, UNCUT, cut_by_peer
from benchmarks.frontier_time import export_files, time_files
from benchmarks.quantization_networks import with_images
from benchmarks.results import Row, Table
from edgekit.config.project import Project, load
from edgekit.distill import distill
from edgekit.program import program as programs
from edgekit.program.program import Program
from edgekit.scratch import folder as scratch_folder
from edgekit.scratch import write
from edgekit.store import Store

KEYS = ("network", "method", "seed")
PACKAGES = ("torch", "torch-pruning", "ai-edge-litert")
SPEEDUPS = {"resnet20": 2.0, "resnet56": 2.1}
TEST_IMAGES = 10000
METHODS = (METHOD, DEPGRAPH, NAS)
HALVINGS = 6
NEAR = 1.02
"""A peer's file this little faster than asked for is near enough."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One network with its data, and where its cuts lie."""

    network: Network
    places: Places
    epochs: int

    @property
    def folder(self) -> Path:
        return self.places.cache / "no_loss" / self.network.name

    @property
    def project(self) -> Project:
        """The frontier's network and recipe, with more images and epochs."""
        root = self.folder / "project"
        if not root.is_dir():
            known = project_of(self.network, self.places)
            self.folder.mkdir(parents=True, exist_ok=True)
            with scratch_folder(self.folder) as scratch:
                made = scratch / "project"
                made.mkdir()
                for name in ("model.py", "weights.safetensors"):
                    shutil.copy(known.root / name, made / name)
                with_images(made, self.places.images, TEACHER_IMAGES, TEST_IMAGES)
                made.rename(root)
        settings = (
            *self.network.settings,
            *("recipe.distill.losses={}", f"recipe.distill.epochs={self.epochs}"),
        )
        return load(root).with_settings(settings)

    def bench(self) -> Bench:
        return Bench.of(self.project, "litert", ("fp32",))

    def cut_file(self, method: str) -> Path:
        return self.folder / f"{method.replace(' ', '-')}-cut.pt2"


def bisected(speedup: float, measured: Callable[[float], float]) -> float:
    """The mildest pruning ratio found whose network is at least this fast."""
    low, high = 0.0, 0.9
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        found = measured(middle)
        if found < speedup:
            low = middle
        else:
            high = middle
        if speedup <= found <= NEAR * speedup:
            break
    return high


def cut(setting: Setting) -> None:
    """Cut by each method until the file is as fast as asked for."""
    speedup = SPEEDUPS[setting.network.name]
    bench = setting.bench()
    for method in METHODS:
        place = setting.cut_file(method)
        if place.is_file() or (method == NAS and NAS_PYTHON not in os.environ):
            continue
        if method == METHOD:
            program, point = cut_for(bench, speedup).program, speedup
        else:
            program, point = _cut_as_fast(setting, bench, method, speedup)
        facts = {"point": point, "speedup": _speedup(bench, program)}
        program.save(place)
        write(place.with_suffix(".json"), json.dumps(facts).encode())
        print(setting.network.name, method, facts, flush=True)


def _cut_as_fast(
    setting: Setting, bench: Bench, method: str, speedup: float
) -> tuple[Program, float]:
    network = replace(setting.network, name=f"no_loss/{setting.network.name}")
    known: dict[float, Program] = {}

    def at(ratio: float) -> Program:
        if ratio not in known:
            program = cut_by_peer(
                network,
                setting.project,
                bench.loaded.teacher,
                bench.loaded.samples,
                setting.places,
                method,
                round(ratio, 3),
            )
            assert program is not None
            known[ratio] = program
        return known[ratio]

    ratio = bisected(speedup, lambda ratio: _speedup(bench, at(ratio)))
    return at(ratio), ratio


def _speedup(bench: Bench, program: Program) -> float:
    """Measured over the uncut network, both in turns."""
    with scratch_folder() as scratch:
        paths = [
            export_files(bench, one, scratch / name)[0].path
            for name, one in ((UNCUT, bench.loaded.teacher), ("cut", program))
        ]
        whole, found = time_files(paths, "litert", launches=3).values()
    return median(a / b for a, b in zip(whole, found, strict=True))


def train(setting: Setting, table: Table, seeds: int) -> None:
    """Train what is cut and judge its file; the uncut network's file first."""
    bench, name = setting.bench(), setting.network.name
    recipe = setting.project.recipe.distill
    if table.find(network=name, method=UNCUT, seed=0) is None:
        row = _judged(setting, bench, bench.loaded.teacher)
        row = {"network": name, "method": UNCUT, "seed": 0, "speedup": 1.0, **row}
        table.add(row, summarize)
    for seed in range(seeds):
        for method in METHODS:
            key = {"network": name, "method": method, "seed": seed}
            place = setting.cut_file(method)
            if not place.is_file() or table.find(**key) is not None:
                continue
            start = time.process_time()
            samples = bench.loaded.samples
            trained = distill(
                bench.loaded.teacher,
                programs.load(place),
                train=samples.train,
                validation=samples.validation,
                recipe=recipe,
                seed=seed,
            )
            row = {
                **key,
                **json.loads(place.with_suffix(".json").read_text()),
                "epochs": recipe.epochs,
                **_judged(setting, bench, trained.program),
                "cpu_seconds": round(time.process_time() - start, 1),
            }
            table.add(row, summarize)
            print(row, flush=True)


def _judged(setting: Setting, bench: Bench, program: Program) -> Row:
    with scratch_folder() as scratch:
        [file] = export_files(bench, program, scratch)
    return {
        "accuracy": file.accuracy,
        "parameters": sum(p.numel() for p in program.module.parameters()),
    }


def summarize(rows: Sequence[Row]) -> Row:
    """By network and method: the speed-up and the points of accuracy lost, mean and spread."""
    found: Row = {}
    for network in SPEEDUPS:
        ours = [row for row in rows if row["network"] == network]
        whole = [row["accuracy"] for row in ours if row["method"] == UNCUT]
        methods = {}
        for method in METHODS if whole else ():
            several = [row for row in ours if row["method"] == method]
            lost = [100 * (whole[0] - row["accuracy"]) for row in several]
            if lost:
                methods[method] = {
                    "speedup": round(several[0]["speedup"], 3),
                    "points_lost": round(fmean(lost), 2),
                    "points_std": round(stdev(lost), 2) if len(lost) > 1 else None,
                    "seeds": len(lost),
                }
        found[network] = {"asked": SPEEDUPS[network], "methods": methods}
    return found


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    places = Places(
        images=arguments.data,
        weights=arguments.weights,
        resnet56=arguments.resnet56,
        cache=arguments.cache.absolute(),
    )
    table = Table("no_loss", KEYS, PACKAGES)
    for name in arguments.only or SPEEDUPS:
        setting = Setting(
            network=NETWORKS[name], places=places, epochs=arguments.epochs
        )
        if arguments.step == "cut":
            cut(setting)
        else:
            train(setting, table, arguments.seeds)
    print(json.dumps(summarize(list(table.rows.values())), indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=("cut", "train"))
    shared = ROOT.parent / "shared"
    models = shared / "models"
    weights = models / "resnet20-cifar10-jpeg.safetensors"
    third = models / "third-party/resnet56-4bfd9763.th"
    parser.add_argument("--data", type=Path, default=shared / "data/cifar10-jpeg.zip")
    parser.add_argument("--weights", type=Path, default=weights)
    parser.add_argument("--resnet56", type=Path, default=third)
    parser.add_argument("--cache", type=Path, default=Store().root / "latency_frontier")
    parser.add_argument("--only", nargs="+", choices=SPEEDUPS, metavar="NETWORK")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    return parser.parse_args()


if __name__ == "__main__":
    main()
