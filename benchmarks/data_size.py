"""Training on images that do not fit in memory: peak memory, and the time that goes to the network.

    python -m benchmarks.data_size

Hard links to 50 JPEGs, each a little larger than the network's input. Kept samples are limited to
16 MiB, so that worker processes read all sets. One epoch of `distill` each:

- `memory`: 5,000 and 50,000 images with a small network at 96 pixels. `peak_mib` is the most of
  this process and its workers together (proportional set size, twice a second).
- `time`: 320 images with MobileNetV2 at 224 pixels. `wall_fraction` is the part of the steps'
  time that did not wait for samples or change them, `processor_fraction` the part of all
  processor time that no worker took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from PIL import Image
from torch import nn

from benchmarks.results import Row, Table
from edgekit.data import Dataset, load, memory
from edgekit.distill import distill, train
from edgekit.distill.sampler import TrainSampler
from edgekit.program.program import Program, trace
from edgekit.types import DistillRecipe, InputSpec, Preprocess
from tests.zoo.timm_networks import create

KEPT = 16 << 20
ORIGINALS = 50
CLASSES = 10
CASES = (("memory", 5_000), ("memory", 50_000), ("time", 320))
SIDES = {"memory": 96, "time": 224}
RECIPE = DistillRecipe(epochs=1, batch_size=32, augment="shift-flip")


def make_images(folder: Path, count: int, side: int) -> None:
    """Noise in large patches, as compressible as a photograph, `count` names for it."""
    noise = np.random.default_rng(0).integers(0, 256, (ORIGINALS, 32, 32, 3), np.uint8)
    first = folder / "originals"
    first.mkdir(parents=True)
    for number, pixels in enumerate(noise):
        large = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
        large.save(first / f"{number}.jpg", quality=90)
    for number in range(count):
        place = folder / "set" / f"class{number % CLASSES}"
        place.mkdir(parents=True, exist_ok=True)
        os.link(first / f"{number % ORIGINALS}.jpg", place / f"{number:06}.jpg")


def small(spec: InputSpec) -> Program:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.AvgPool2d(8),
        nn.Conv2d(3, 8, 3, stride=2),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, CLASSES),
    )
    return trace(network, (spec,))


def mobilenet(spec: InputSpec) -> Program:
    torch.manual_seed(0)
    return trace(create("mobilenetv2_100", num_classes=CLASSES), (spec,))


class Clock:
    """Seconds spent in functions of a class, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def watch(self, owner: type, name: str) -> None:
        """Count the time in a method from now on."""
        method: Callable[..., Any] = getattr(owner, name)

        def timed(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return method(*arguments, **named)
            finally:
                spent = time.perf_counter() - started
                self.seconds[name] = self.seconds.get(name, 0.0) + spent

        setattr(owner, name, timed)


def trained(what: str, count: int, folder: Path) -> Row:
    """One epoch in this process, and its figures."""
    memory.MEMORY = KEPT
    side = SIDES[what]
    make_images(folder, count, side + side // 8)
    spec = InputSpec(shape=(3, side, side))
    data = load("set", root=folder, input=spec, preprocess=Preprocess(scale=255))
    few = data.subset(np.arange(32))
    network = small(spec) if what == "memory" else mobilenet(spec)
    clock = Clock()
    clock.watch(train._Run, "_step")
    for name in ("advance", "take"):
        clock.watch(TrainSampler, name)
    return {"what": what, "images": count, **_figures(network, data, few, clock)}


def _figures(network: Program, data: Dataset, few: Dataset, clock: Clock) -> Row:
    started = time.perf_counter()
    distill(network, network, train=data, validation=few, recipe=RECIPE, seed=0)
    wall = time.perf_counter() - started
    steps, waited = clock.seconds["_step"], sum(clock.seconds.values())
    used = os.times()
    own, workers = used.user + used.system, used.children_user + used.children_system
    return {
        "seconds": round(wall, 1),
        "wall_fraction": round(1 - (waited - steps) / steps, 4),
        "processor_fraction": round(own / (own + workers), 4),
    }


def measured(what: str, count: int) -> Row:
    """The row of one case, from a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", __spec__.name, what, str(count), folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            peak = _peak(child)
            said = child.stdout.read() if child.stdout is not None else ""
    if child.returncode:
        raise SystemExit(f"{what} of {count} images ended with {child.returncode}.")
    return {**json.loads(said.splitlines()[-1]), "peak_mib": round(peak / 2**20)}


def _peak(child: subprocess.Popen[str]) -> int:
    """Most bytes of a process and its children together, until it ends."""
    peak, root = 0, psutil.Process(child.pid)
    while child.poll() is None:
        total = 0
        for one in (root, *_children(root)):
            try:
                total += one.memory_full_info().pss
            except psutil.Error:
                continue  # it has just ended
        peak = max(peak, total)
        time.sleep(0.5)
    return peak


def _children(root: psutil.Process) -> list[psutil.Process]:
    try:
        return root.children(recursive=True)
    except psutil.Error:
        return []


def summary(rows: list[Row]) -> Row:
    """The ratio of the two peaks, and the fractions of the realistic network."""
    found = {(row["what"], row["images"]): row for row in rows}
    result: Row = {}
    few, many, real = (found.get(case) for case in CASES)
    if few and many:
        result["peak_ratio_10x_images"] = round(many["peak_mib"] / few["peak_mib"], 3)
    if real:
        result["wall_fraction_in_network"] = real["wall_fraction"]
        result["processor_fraction_in_network"] = real["processor_fraction"]
    return result


def main() -> None:
    table = Table("data_size", ("what", "images"), ("torch", "pillow", "timm"))
    for what, count in CASES:
        table.add(measured(what, count), summary)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        one = trained(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
        print(json.dumps(one))
    else:
        main()
