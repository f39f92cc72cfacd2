"""Gain of each loss: a student of half its teacher's latency, trained in many ways.

    python -m benchmarks.distillation [--part cifar] [--only ARM] [--seeds 3]

A trained ResNet-20 is the teacher of a narrower one, from scratch, on a fixed subset of
CIFAR-10 (JPEG): by labels, by soft targets, by soft targets and one further loss each, and by
the default recipe; three seeds, the same images in the same views, the same number of epochs.
Then deeper cuts, in a single step and through pruned networks as assistants. The weights of
losses and what is in the default were chosen on validation images; the test images only judge.
Rows already in `benchmarks/results/distillation.json` are kept.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean, median, stdev

import torch

from benchmarks.distillation_cuts import CUTS
from benchmarks.distillation_setting import (
    RECIPE,
    STUDENT,
    TEST,
    TRAIN,
    VALIDATION,
    Setting,
    paths,
)
from benchmarks.frontier_time import LAUNCHES, MIN_ROUND_MS, ROUNDS
from benchmarks.results import Row, Table
from edgekit.agent.schema import SCHEMA
from edgekit.devices.local import LocalDevice
from edgekit.distill import Distilled
from edgekit.distill.objective import resolved
from edgekit.evaluate.accuracy import evaluate
from edgekit.export.workers import export_all
from edgekit.types import DistillRecipe, LossName

WEIGHTS: Mapping[LossName, float] = {
    "decoupled": 1.0,
    "dist": 1.0,
    "hints": 5.0,
    "attention-transfer": 50.0,
    "flow": 5.0,
    "relation-distances": 10.0,
    "relation-angles": 20.0,
    "similarities": 5.0,
}
"""One further loss each, at a weight that was guessed; hints were also tried at 20."""
ARMS: Mapping[str, DistillRecipe] = {
    "labels": replace(RECIPE, soft_weight=0.0),
    "soft-targets": RECIPE,
    **{name: replace(RECIPE, losses={name: w}) for name, w in WEIGHTS.items()},
}
Task = tuple[Row, Callable[[], Row]]
"""The key of a row, and how to measure it."""
DEFAULT = "attention-transfer"
"""The arm that is the default recipe, which leaves its losses open."""
PACKAGES = ("torch", "accelerate", "ai-edge-litert")


def measured(setting: Setting, arm: str, seed: int) -> Row:
    """One training, judged on the test images after everything was chosen."""
    started = time.perf_counter()
    student = setting.student(STUDENT, seed)
    distilled = setting.teach(setting.teacher, student, ARMS[arm], seed)
    return {
        "part": "cifar",
        "arm": arm,
        "seed": seed,
        **_judged(setting, distilled, started),
    }


def cifar_rows(
    setting: Setting, seeds: Sequence[int], only: str | None
) -> Iterator[Task]:
    for seed in seeds:
        for arm in [only] if only else ARMS:
            key = {"part": "cifar", "arm": arm, "seed": seed}
            yield key, partial(measured, setting, arm, seed)


def measured_cut(setting: Setting, part: str, arm: str, seed: int) -> Row:
    started = time.perf_counter()
    distilled = CUTS[part][arm](setting, seed)
    return {
        "part": part,
        "arm": arm,
        "seed": seed,
        **_judged(setting, distilled, started),
    }


def cut_rows(
    part: str, setting: Setting, seeds: Sequence[int], only: str | None
) -> Iterator[Task]:
    for seed in seeds:
        for arm in [only] if only else CUTS[part]:
            key = {"part": part, "arm": arm, "seed": seed}
            yield key, partial(measured_cut, setting, part, arm, seed)


def _judged(setting: Setting, distilled: Distilled, started: float) -> Row:
    return {
        "accuracy": evaluate(distilled.program, setting.test).value,
        "validation": distilled.epochs[distilled.kept_epoch].validation,
        "kept_epoch": distilled.kept_epoch,
        "teacher_hit_rate": distilled.teacher_hit_rate,
        "seconds": round(time.perf_counter() - started, 1),
    }


def main() -> None:
    arguments = _arguments()
    missing = [p for p in (arguments.data, arguments.weights) if not p.is_file()]
    if missing:
        print(f"Skipped: {missing[0]} is not there. Pass --data and --weights.")
        return
    torch.set_num_threads(arguments.threads)
    table = Table("distillation", ("part", "arm", "seed"), PACKAGES)
    with tempfile.TemporaryDirectory() as cache:
        setting = Setting(
            weights=arguments.weights, data=arguments.data, cache=Path(cache)
        )
        left_open = replace(RECIPE, losses=None)
        pair = setting.teacher, setting.student(STUDENT, 0)
        assert resolved(left_open, *pair) == ARMS[DEFAULT]
        rows = PARTS[arguments.part](setting, arguments.seeds, arguments.only)
        for key, run in rows:
            if table.find(**key) is None:
                row = run()
                table.add(row, summary)
                print(row, flush=True)


def latency_rows(
    setting: Setting, seeds: Sequence[int], only: str | None
) -> Iterator[Task]:
    key = {"part": "latency", "arm": "litert-fp32", "seed": 0}
    yield key, partial(latency, setting)


def latency(setting: Setting) -> Row:
    """The student's speed-up over its teacher on LiteRT: the median of the launches' ratios.

    In each launch both are loaded in one process and take turns; a network's latency there is the
    least of its rounds' medians. Other work on the machine slows both.
    """
    networks = {"teacher": setting.teacher, "student": setting.student(STUDENT, 0)}
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for name, program in networks.items():
            [made] = export_all(
                program,
                [("litert", "fp32")],
                calibration=None,
                folder=Path(folder) / name,
            )
            files.append(str(made.files[0]))
        launches = [_launch(files, turn) for turn in range(LAUNCHES)]
    teacher, student = (median(each) for each in zip(*launches, strict=True))
    return {
        "part": "latency",
        "arm": "litert-fp32",
        "seed": 0,
        "teacher_us": teacher,
        "student_us": student,
        "speedup": median(slow / fast for slow, fast in launches),
        "launches": len(launches),
    }


def _launch(files: Sequence[str], turn: int) -> list[float]:
    """Microseconds of each file, taken in turns by one fresh process."""
    order = files if turn % 2 == 0 else files[::-1]
    job = {
        "schema": SCHEMA,
        "kind": "microbenchmark",
        "runtime": "litert",
        "threads": 1,
        "models": list(order),
        "rounds": ROUNDS,
        "min_round_ms": MIN_ROUND_MS,
        "seed": turn,
    }
    rows = LocalDevice().run(job, timeout_s=900)["results"]
    found = {row["path"]: row["us"] for row in rows}
    return [float(found[file]) for file in files]


def summary(rows: list[Row]) -> Row:
    """Accuracy on the test images by arm: the mean over seeds, and its spread."""
    arms = _by_arm(rows, "cifar")
    cuts = {part: _by_arm(rows, part) for part in CUTS}
    deepest = cuts["eighth"] or cuts["cut"]
    named = {
        "labels": _mean(arms, "labels"),
        "soft_targets": _mean(arms, "soft-targets"),
        "default": _mean(arms, DEFAULT),
        "single_step": _mean(deepest, "single_step"),
        "chain": _mean(deepest, "chain"),
    }
    return {
        "accuracy": named,
        "arms": arms,
        "cuts": cuts,
        "default_is": DEFAULT,
        "speedup": next((row["speedup"] for row in rows if "speedup" in row), None),
        "images": {"train": TRAIN, "validation": VALIDATION, "test": TEST},
        "epochs": RECIPE.epochs,
    }


def _by_arm(rows: list[Row], part: str) -> dict[str, Row]:
    together: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row["part"] == part:
            together[row["arm"]].append(row["accuracy"])
    return {
        arm: {
            "accuracy": mean(values),
            "std": stdev(values) if len(values) > 1 else None,
            "seeds": len(values),
        }
        for arm, values in together.items()
    }


def _mean(arms: Mapping[str, Row], name: str) -> float | None:
    return arms[name]["accuracy"] if name in arms else None


PARTS: Mapping[str, Callable[[Setting, Sequence[int], str | None], Iterator[Task]]] = {
    "cifar": cifar_rows,
    "cut": partial(cut_rows, "cut"),
    "eighth": partial(cut_rows, "eighth"),
    "latency": latency_rows,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    paths(parser)
    parser.add_argument("--part", choices=PARTS, default="cifar")
    parser.add_argument("--only", choices=(*ARMS, *CUTS["cut"]), metavar="ARM")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
