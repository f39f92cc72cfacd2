"""Gain of zeros in weights on each runtime, beside a network cut to as many operations.

    python -m benchmarks.sparsity

Two untrained networks: separable convolutions, where 1x1 convolutions do most of the work, and
a perceptron, which waits for its weights. Each is measured dense, with a part of its weights zero
(unstructured, and 2 of every 4), as a `.tflite` that leaves the zeros out, with OpenVINO's sparse
decompression on, and cut in width to the same fraction of operations. All launches of one runtime
and network are interleaved; a speed-up is the median of dense over variant, round by round.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table as Screen
from torch import nn

from benchmarks.results import Row, Table
from edgekit.agent import machine, runtimes
from edgekit.agent.session import draw
from edgekit.export import export
from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.program.program import Program, load, trace
from edgekit.prune.importance import importance
from edgekit.prune.masks import density, magnitude_masks, n_m_masks, zero
from edgekit.prune.schedule import evenly
from edgekit.runtimes.litert.sparse import encode
from edgekit.types import InputSpec, Precision, RuntimeName

ROUNDS = 5
WARM_UP_S = 0.2
TIMED_S = 0.3
DECOMPRESSION = "CPU_SPARSE_WEIGHTS_DECOMPRESSION_RATE"
PACKAGES = ("torch", "ai-edge-litert", "litert-torch", "onnxruntime", "openvino")
Form = tuple[RuntimeName, Precision]
FORMS: Mapping[str, tuple[Form, ...]] = {
    "separable": (("litert", "fp32"), ("onnxruntime", "fp32")),
    "perceptron": (("litert", "fp32"), ("openvino", "int8")),
}
GAIN = 1.05
"""A speed-up counts where every round is above this."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One file and how it is opened."""

    network: str
    form: Form
    name: str
    zeros: float
    path: Path
    options: Mapping[str, Any] = field(default_factory=dict)


def separable() -> Program:
    """Depthwise and 1x1 convolutions, (3, 96, 96) to ten classes."""

    def block(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
        return [
            nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, 1),
            nn.ReLU(),
        ]

    layers = [nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(), *block(32, 128, 2)]
    layers += [*block(128, 256, 2), *block(256, 256), *block(256, 512, 2)]
    layers += [*block(512, 512), *block(512, 512), nn.AdaptiveAvgPool2d(1)]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))
    return trace(network, (InputSpec(shape=(3, 96, 96)),))


def perceptron() -> Program:
    """Three layers of 1024 with a batch of one: 12 MB of weights, each used once."""
    layers: list[nn.Module] = []
    for _ in range(3):
        layers += [nn.Linear(1024, 1024), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Linear(1024, 64))
    return trace(network, (InputSpec(shape=(1024,)),))


NETWORKS = {"separable": separable, "perceptron": perceptron}


def students(program: Program) -> dict[str, tuple[Program, float]]:
    """Every variant of a network, and the fraction of its weights that is zero."""
    graph = analyze(program)
    scores = importance(graph, "l2")
    found = {"dense": (program, 0.0)}
    masks = magnitude_masks(program, 0.9, "layer")
    found["90% zeros"] = (zero(program, masks), 1 - density(masks))
    masks = n_m_masks(program, 2, 4)
    found["2 of 4"] = (zero(program, masks), 1 - density(masks))
    for fraction in (0.5, 0.1):
        plan = evenly(graph, scores, fraction, multiple=16)
        found[f"cut to {fraction:.0%}"] = (shrink(graph, plan), 0.0)
    return found


def variants(network: str, folder: Path) -> list[Variant]:
    """The files of a network, and the ways of opening them."""
    torch.manual_seed(0)
    program = NETWORKS[network]()
    made = students(program)
    for number, (student, _) in enumerate(made.values()):
        (folder / network / str(number)).mkdir(parents=True)
        student.save(folder / network / str(number) / "student.pt2")
    found = []
    for form in FORMS[network]:
        # One process a format for all of them: starting the exporters takes the longest.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            paths = fresh.submit(
                exported, form, folder / network, program.inputs, len(made)
            ).result()
        for (name, (_, zeros)), path in zip(made.items(), paths, strict=True):
            one = Variant(network=network, form=form, name=name, zeros=zeros, path=path)
            found += [one, *_opened_otherwise(one)]
    return found


def exported(
    form: Form, folder: Path, inputs: tuple[InputSpec, ...], count: int
) -> list[Path]:
    """The file of every student in `folder`, in this process, whose screen stays empty."""
    for screen in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), screen)
    runtime, precision = form
    random = np.random.default_rng(0)
    samples = random.normal(size=(32, *inputs[0].shape)).astype(np.float32)
    return [
        export(
            replace(load(folder / str(number) / "student.pt2"), inputs=inputs),
            runtime=runtime,
            precision=precision,
            calibration=samples,
            folder=folder / str(number) / runtime,
            name=f"{runtime}-{precision}",
        ).files[0]
        for number in range(count)
    ]


def _opened_otherwise(one: Variant) -> list[Variant]:
    """The same weights in a form that the runtime may use."""
    if one.zeros < 0.6:
        return []
    if one.form == ("litert", "fp32"):
        content, count = encode(one.path.read_bytes())
        path = one.path.with_name("sparse.tflite")
        path.write_bytes(content)
        assert count
        name = f"{one.name}, stored sparsely"
        return [
            Variant(
                network=one.network,
                form=one.form,
                name=name,
                zeros=one.zeros,
                path=path,
            )
        ]
    if one.form == ("openvino", "int8"):
        return [
            Variant(
                network=one.network,
                form=one.form,
                name=f"{one.name}, sparse decompression",
                zeros=one.zeros,
                path=one.path,
                options={DECOMPRESSION: 0.5},
            )
        ]
    return []


def launch(runtime_name: str, path: str, options: Mapping[str, Any]) -> float:
    """Median milliseconds of one inference, in a process of its own."""
    runtime, _ = runtimes.find(runtime_name)
    # The agent refuses unknown options, which an experiment needs.
    session = runtime.load(path, 1, {**runtime.DEFAULTS, **options})
    session.prepare(draw(session.inputs, 0))
    end = time.perf_counter() + WARM_UP_S
    while time.perf_counter() < end:
        session.invoke()
    samples = []
    end = time.perf_counter() + TIMED_S
    while time.perf_counter() < end:
        started = time.perf_counter_ns()
        session.invoke()
        samples.append(time.perf_counter_ns() - started)
    return statistics.median(samples) / 1e6


def timed(group: Sequence[Variant]) -> list[list[float]]:
    """Milliseconds of each variant by round; every launch is a fresh process."""
    rounds: list[list[float]] = [[] for _ in group]
    for turn in range(ROUNDS):
        order = list(range(len(group)))
        for number in order if turn % 2 == 0 else reversed(order):
            one = group[number]
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
                asked = fresh.submit(launch, one.form[0], str(one.path), one.options)
                rounds[number].append(asked.result())
    return rounds


def rows_of(group: Sequence[Variant]) -> list[Row]:
    rounds = timed(group)
    rows = []
    for one, own in zip(group, rounds, strict=True):
        ratios = [dense / mine for dense, mine in zip(rounds[0], own, strict=True)]
        files = [one.path]
        if one.path.suffix == ".xml":
            files.append(one.path.with_suffix(".bin"))
        content = [file.read_bytes() for file in files]
        rows.append(
            {
                "network": one.network,
                "runtime": one.form[0],
                "precision": one.form[1],
                "variant": one.name,
                "zeros": round(one.zeros, 3),
                "ms": round(statistics.median(own), 4),
                "speedup": round(statistics.median(ratios), 3),
                "speedup_range": [round(min(ratios), 3), round(max(ratios), 3)],
                "size_mb": round(sum(map(len, content)) / 2**20, 3),
                "compressed_mb": round(
                    sum(len(zlib.compress(c)) for c in content) / 2**20, 3
                ),
            }
        )
    return rows


def summarize(rows: list[Row]) -> Mapping[str, Any]:
    """By network and runtime: whether zeros made anything faster, and what cuts gave."""
    found: dict[str, Any] = {}
    for row in rows:
        key = f"{row['network']} {row['runtime']} {row['precision']}"
        own = found.setdefault(key, {"zeros_gain": [], "cuts": {}})
        if row["variant"].startswith("cut"):
            own["cuts"][row["variant"]] = row["speedup"]
        elif row["speedup_range"][0] > GAIN:
            own["zeros_gain"].append(row["variant"])
    flags = machine.facts().get("isa") or []
    return {
        "by_runtime": found,
        "rounds": ROUNDS,
        "threads": 1,
        "isa": flags,
        "notes": [
            "XNNPACK has sparse kernels for Arm, and for x86 without AVX only",
            "OpenVINO decompresses sparse weights on processors with AMX only: int8, "
            "fully connected, both sizes multiples of 64",
        ],
    }


def show(rows: Sequence[Row]) -> None:
    screen = Screen(title="Zeros in weights, by runtime (one thread)")
    for name in ("network", "runtime", "variant"):
        screen.add_column(name)
    for name in ("ms", "speed-up", "MB", "zipped MB"):
        screen.add_column(name, justify="right")
    for row in rows:
        low, high = row["speedup_range"]
        screen.add_row(
            row["network"],
            f"{row['runtime']} {row['precision']}",
            row["variant"],
            f"{row['ms']:.3f}",
            f"{row['speedup']:.2f} ({low:.2f}-{high:.2f})",
            f"{row['size_mb']:.2f}",
            f"{row['compressed_mb']:.2f}",
        )
    Console(width=110).print(screen)


def main() -> None:
    table = Table("sparsity", ("network", "runtime", "precision", "variant"), PACKAGES)
    table.rows.clear()  # ratios are of one run
    with tempfile.TemporaryDirectory() as folder:
        everything = [v for name in NETWORKS for v in variants(name, Path(folder))]
        for network in NETWORKS:
            for form in FORMS[network]:
                group = [
                    v for v in everything if (v.network, v.form) == (network, form)
                ]
                for row in rows_of(group):
                    table.add(row, summarize)
    show(list(table.rows.values()))


if __name__ == "__main__":
    main()
