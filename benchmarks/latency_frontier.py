"""Accuracy against measured latency: EdgeKit beside Torch-Pruning and uniform width scaling.

    python -m benchmarks.latency_frontier train [--only METHOD] [--workers 2]
    python -m benchmarks.latency_frontier time
    python -m benchmarks.latency_frontier show

`train` cuts a trained ResNet-20 by every method at every operating point, trains each network
by the same recipe (`benchmarks/frontier_recover.py`) in three seeds, and keeps networks and
rows. `time` exports every distinct shape and times all of them on every runtime in one
interleaved run. `show` prints the table and writes the summary and the plot. Rows that are
there are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.frontier_edgekit import (
    INT8,
    METHOD,
    SPEEDUPS,
    TARGETS,
    cut_for,
    plan_of,
)
from benchmarks.frontier_peers import PEERS, UNIFORM, cut_by_peer, cut_uniformly
from benchmarks.frontier_recover import (
    BATCH,
    LEARNING_RATE,
    SCORING_IMAGES,
    VALIDATION_IMAGES,
    Lessons,
    Setting,
    accuracy,
    recover,
)
from benchmarks.frontier_show import (
    markdown,
    means,
    plot,
    prediction_errors,
    summarize,
)
from benchmarks.frontier_time import (
    LAUNCHES,
    accuracy_in_int8,
    count_all,
    export_all,
    median_us,
    save_whole,
    time_all,
)
from benchmarks.results import Row, Table
from edgekit.program.program import Program
from edgekit.store import Store

ROOT = Path(__file__).parents[1]
SEEDS = 3
RATIOS = (0.2, 0.5, 0.7)
FRACTIONS = (0.75, 0.5)
KEYS = ("method", "target", "point", "seed")
PACKAGES = (
    *("torch", "torch-pruning", "ai-edge-litert", "onnxruntime", "openvino"),
    "scipy",
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One network to train. `target` is the runtime it was planned for, `any` for peers."""

    method: str
    target: str
    point: float
    """Pruning ratio, fraction of the width kept, or speed-up asked for."""
    seed: int

    @property
    def name(self) -> str:
        words = (self.method, self.target, f"{self.point:g}", str(self.seed))
        return "-".join(words).replace(" ", "-")


def cases() -> Iterator[Case]:
    for seed in range(SEEDS):
        for point in FRACTIONS:
            yield Case(method=UNIFORM, target="any", point=point, seed=seed)
        for target in TARGETS:
            for point in SPEEDUPS:
                yield Case(method=METHOD, target=target, point=point, seed=seed)
        for method in PEERS:
            for point in RATIOS:
                yield Case(method=method, target="any", point=point, seed=seed)


def main() -> None:
    arguments = _arguments()
    missing = [p for p in (arguments.data, arguments.weights) if not p.is_file()]
    if missing:
        print(f"Skipped: {missing[0]} is not there. Pass --data and --weights.")
        return
    setting = Setting(
        weights=arguments.weights,
        data=arguments.data,
        train_images=arguments.train,
        test_images=arguments.test,
        epochs=arguments.epochs,
    )
    if arguments.step == "train":
        _train(setting, arguments)
    elif arguments.step == "time":
        _time(setting)
    else:
        _show(setting)


def _train(setting: Setting, arguments: argparse.Namespace) -> None:
    """Train what is missing; each network and its row are kept as they are made."""
    expected = [
        case
        for case in cases()
        if arguments.only in (None, case.method, case.target, f"seed {case.seed}")
        and not row_of(case).is_file()
    ]
    for images in (setting.images, setting.test):  # read once, before workers fork
        assert len(images.labels)
    with ProcessPoolExecutor(
        arguments.workers, initializer=_ready, initargs=(setting,)
    ) as pool:
        futures: list[Future[Row]] = [pool.submit(_case, case) for case in expected]
        for number, future in enumerate(as_completed(futures), 1):
            print(f"{number}/{len(expected)}", future.result(), flush=True)


def _time(setting: Setting) -> None:
    """Export what is trained and time all of it in one interleaved run, on a quiet machine."""
    folder = cache() / "exports"
    save_whole(setting.program, cache() / "whole.pt2")
    networks = [cache() / "whole.pt2", *(place_of(case) for case in _first_seeds())]
    export_all(networks, folder, calibration(setting))
    names = [network.stem for network in networks]
    found = {**time_all(names, folder), **count_all(names, folder)}
    place = cache() / "latencies.json"
    place.with_suffix(".partial").write_text(json.dumps(found))
    place.with_suffix(".partial").replace(place)


def calibration(setting: Setting) -> Path:
    """Calibration samples of int8, as a file for the processes that export."""
    path = cache() / "calibration.npy"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, setting.scoring[0][:128].numpy())
    return path


def _first_seeds() -> list[Case]:
    """One case a distinct cut, of those that are trained."""
    return [case for case in cases() if case.seed == 0 and row_of(case).is_file()]


def _show(setting: Setting) -> None:
    """Gather rows and latencies into the results, `RESULTS.md`'s table and the plot."""
    rows = [json.loads(row_of(c).read_text()) for c in cases() if row_of(c).is_file()]
    launches = json.loads((cache() / "latencies.json").read_text())
    latencies = {
        target: {name: median_us(us) for name, us in found.items()}
        for target, found in launches.items()
    }
    context = _context(setting)
    whole = {
        precision: context[f"whole_accuracy_test{suffix}"]
        for precision, suffix in (("fp32", ""), ("int8", "_int8"))
    }
    names = {(c.method, c.target, c.point): c.name for c in _first_seeds()}
    cuts = [
        {**cut, "name": names[cut["method"], cut["target"], cut["point"]]}
        for cut in means(rows)
    ]
    plans = {
        (c.target, c.point): json.loads(plan_of(c.target, c.point, cache()).read_text())
        for c in _first_seeds()
        if c.method == METHOD
    }
    errors = prediction_errors(
        plans, latencies, {key: names[METHOD, *key] for key in plans}
    )
    table = Table("latency_frontier", KEYS, PACKAGES)
    table.rows.clear()
    summary = {
        **summarize(cuts, latencies, whole),
        "prediction_error_median": errors,
        **context,
        "cuts": cuts,
        "latency_us": latencies,
        "launches": LAUNCHES,
    }
    for row in rows:
        table.add(row, lambda _: summary)
    plot(cuts, latencies, whole, table.path.with_suffix(".html"))
    print("\n".join(markdown(cuts, latencies)))
    print(json.dumps(summary["by_target"], indent=1))
    print({k: v for k, v in summary.items() if k.startswith(("speedup", "prediction"))})


def _context(setting: Setting) -> Row:
    program = setting.program
    return {
        "whole_accuracy_test": accuracy(program.module, setting.test),
        "whole_accuracy_test_int8": accuracy_in_int8(
            cache() / "whole.pt2",
            cache() / "exports",
            calibration(setting),
            setting.test,
        ),
        "whole_accuracy_validation": accuracy(program.module, setting.validation),
        "test_images": setting.test_images,
        "validation_images": VALIDATION_IMAGES,
        "scoring_images": SCORING_IMAGES,
        "recovery": (
            f"distillation, {setting.epochs} epochs over {setting.train_images} training "
            f"images, batch {BATCH}, one-cycle to {LEARNING_RATE}, crop and flip, bfloat16"
        ),
    }


def place_of(case: Case) -> Path:
    """Where the trained network of a case lies."""
    return cache() / f"{case.name}.pt2"


def row_of(case: Case) -> Path:
    """Where its row lies; there once the network is trained."""
    return cache() / f"{case.name}.json"


def cache() -> Path:
    return Store().root / "latency_frontier"


_setting: Setting
_lessons: Lessons


def _ready(setting: Setting) -> None:
    """In each worker: one thread, one copy of the images."""
    global _setting, _lessons
    torch.set_num_threads(1)
    _setting, _lessons = setting, Lessons(setting, cache())


def _case(case: Case) -> Row:
    start = time.process_time()
    program = _cut(case)
    recover(program, _lessons, case.seed)
    place_of(case).parent.mkdir(parents=True, exist_ok=True)
    program.save(place_of(case))
    row = {
        **vars(case),
        "parameters": sum(p.numel() for p in program.module.parameters()),
        "accuracy_validation": accuracy(program.module, _setting.validation),
        "accuracy_test": accuracy(program.module, _setting.test),
        "accuracy_test_int8": _in_int8(case),
        "cpu_seconds": round(time.process_time() - start, 1),
    }
    partial = row_of(case).with_suffix(".partial")
    partial.write_text(json.dumps(row))
    partial.replace(row_of(case))
    return row


def _in_int8(case: Case) -> float | None:
    """Accuracy of the LiteRT int8 file, where int8 latencies are compared."""
    if case.target not in ("any", INT8):
        return None
    samples = calibration(_setting)
    return accuracy_in_int8(place_of(case), cache() / "exports", samples, _setting.test)


def _cut(case: Case) -> Program:
    if case.method == METHOD:
        return cut_for(_setting, case.target, case.point, cache())
    if case.method == UNIFORM:
        return cut_uniformly(_setting, case.point)
    return cut_by_peer(_setting, case.method, case.point, cache())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=("train", "time", "show"))
    shared = ROOT.parent / "shared"
    parser.add_argument("--data", type=Path, default=shared / "data/cifar10-jpeg.zip")
    parser.add_argument(
        "--weights",
        type=Path,
        default=shared / "models/resnet20-cifar10-jpeg.safetensors",
    )
    parser.add_argument("--only", metavar="METHOD")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--train", type=int, default=4000, help="images of an epoch")
    parser.add_argument("--test", type=int, default=2000, help="images of the test")
    parser.add_argument("--epochs", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
