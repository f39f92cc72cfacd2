"""What each loss is worth: a student of half its teacher's latency, taught in many ways.

    python -m benchmarks.distillation [--part cifar] [--only ARM] [--seeds 3]

A trained ResNet-20 teaches a narrower one, from scratch, on a fixed subset of CIFAR-10 (JPEG): by
labels, by soft targets, by soft targets and one further loss each, and by the default recipe; three
seeds, the same images in the same views, the same number of epochs. Then a deeper cut, in a single
step and through a pruned network as assistant. The weights of losses and what is in the default
were chosen on validation images; the test images only judge. Rows already in
`benchmarks/results/distillation.json` are kept.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from statistics import mean, median, stdev

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from benchmarks import cifar
from benchmarks.frontier_time import LAUNCHES, MIN_ROUND_MS, ROUNDS
from benchmarks.results import Row, Table
from edgekit.data import Dataset, evaluate
from edgekit.data.samples import InMemory
from edgekit.devices.local import LocalDevice
from edgekit.distill import Distilled, distill
from edgekit.distill.objective import resolved
from edgekit.export.isolation import export_all
from edgekit.prune.compensate import compensate
from edgekit.prune.graph import analyse
from edgekit.prune.importance import importance
from edgekit.prune.worth import keep_best
from edgekit.source.program import Program, trace
from edgekit.types import DistillRecipe, InputSpec, LossName, Preprocess
from tests.zoo.vision import ResNet20

ROOT = Path(__file__).parents[1]
INPUT = (InputSpec(shape=(3, 32, 32)),)
CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
TRAIN, VALIDATION, TEST = 1024, 512, 2000
STUDENT = (8, 16, 40)
"""Widths of the student's three stages; the teacher's are 16, 32 and 64."""
RECIPE = DistillRecipe(
    epochs=6,
    batch_size=32,
    learning_rate=0.1,
    augment="shift-flip",
    views=2,
    losses={},
)
"""What all arms share: every image in two views, each three times."""
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
HALF, DEEP = 0.5, 0.25
"""Shares of the units that a chain's links keep; a single step goes to the second at once."""
LINK = replace(RECIPE, learning_rate=0.05, losses={"attention-transfer": 50.0})
LINKS = (2, 6)
"""Epochs of the chain's links; the single step has as many together."""
SCORING_IMAGES = 256
Task = tuple[Row, Callable[[], Row]]
"""The key of a row, and how to measure it."""
DEFAULT = "attention-transfer"
"""The arm that is the default recipe, which leaves its losses open."""
PACKAGES = ("torch", "accelerate", "ai-edge-litert")


class Narrow(ResNet20):
    """ResNet-20 of other widths."""

    def __init__(self, widths: tuple[int, int, int], classes: int = 10) -> None:
        nn.Module.__init__(self)
        one, two, three = widths
        self.conv1 = nn.Conv2d(3, one, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(one)
        self.layer1 = self._stage(one, one)
        self.layer2 = self._stage(one, two)
        self.layer3 = self._stage(two, three)
        self.linear = nn.Linear(three, classes)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The trained network and fixed subsets of the images."""

    weights: Path
    data: Path
    cache: Path

    @cached_property
    def teacher(self) -> Program:
        network = ResNet20()
        network.load_state_dict(load_file(self.weights))
        return trace(network, INPUT)

    @cached_property
    def images(self) -> tuple[Dataset, Dataset]:
        both = cifar.read(self.data, "train", TRAIN + VALIDATION)
        whole = dataset(both)
        parts = np.split(np.arange(TRAIN + VALIDATION), [TRAIN])
        return whole.subset(parts[0]), whole.subset(parts[1])

    @cached_property
    def test(self) -> Dataset:
        return dataset(cifar.read(self.data, "test", TEST))

    def student(self, widths: tuple[int, int, int], seed: int) -> Program:
        torch.manual_seed(seed)
        return trace(Narrow(widths), INPUT)

    def teach(
        self,
        teacher: Program | Sequence[Program],
        student: Program,
        recipe: DistillRecipe,
        seed: int,
    ) -> Distilled:
        train, validation = self.images
        return distill(
            teacher,
            student,
            train=train,
            validation=validation,
            recipe=recipe,
            seed=seed,
            outputs_folder=self.cache,
        )


def dataset(images: cifar.Images) -> Dataset:
    return Dataset(
        InMemory(values=images.pixels.numpy()),
        images.labels.numpy(),
        labels=CLASSES,
        preprocess=Preprocess(scale=1),
    )


def measured(setting: Setting, arm: str, seed: int) -> Row:
    """One training, judged on the test images after everything was chosen."""
    started = time.perf_counter()
    student = setting.student(STUDENT, seed)
    taught = setting.teach(setting.teacher, student, ARMS[arm], seed)
    return {
        "part": "cifar",
        "arm": arm,
        "seed": seed,
        **_judged(setting, taught, started),
    }


def cifar_rows(
    setting: Setting, seeds: Sequence[int], only: str | None
) -> Iterator[Task]:
    for seed in seeds:
        for arm in [only] if only else ARMS:
            key = {"part": "cifar", "arm": arm, "seed": seed}
            yield key, partial(measured, setting, arm, seed)


def narrowed(network: Program, share: float, images: Dataset) -> Program:
    """`network` with this share of the units of every group, the most important ones, and what
    reads them fitted to it, as a build does."""
    graph = analyse(network)
    inputs, labels = images.arrays(np.arange(SCORING_IMAGES))
    batches = [(torch.from_numpy(inputs), torch.from_numpy(labels))]
    scores = importance(graph, "activation", batches=batches)
    widths = {g.id: max(1, round(share * g.units)) for g in graph.groups}
    plan = keep_best(graph.groups, widths, scores)
    return compensate(graph, plan, (torch.from_numpy(inputs),))


def single_step(setting: Setting, seed: int) -> Distilled:
    """The deep cut at once, with the epochs of both links."""
    recipe = replace(LINK, epochs=sum(LINKS))
    student = narrowed(setting.teacher, DEEP, setting.images[0])
    return setting.teach(setting.teacher, student, recipe, seed)


def chain(setting: Setting, seed: int) -> Distilled:
    """Half of the way first; the network there then teaches what is cut from it."""
    half = narrowed(setting.teacher, HALF, setting.images[0])
    first, second = (replace(LINK, epochs=epochs) for epochs in LINKS)
    assistant = setting.teach(setting.teacher, half, first, seed).program
    student = narrowed(assistant, DEEP / HALF, setting.images[0])
    return setting.teach(assistant, student, second, seed)


CUTS: Mapping[str, Callable[[Setting, int], Distilled]] = {
    "single_step": single_step,
    "chain": chain,
}


def measured_cut(setting: Setting, arm: str, seed: int) -> Row:
    started = time.perf_counter()
    taught = CUTS[arm](setting, seed)
    return {
        "part": "cut",
        "arm": arm,
        "seed": seed,
        **_judged(setting, taught, started),
    }


def cut_rows(
    setting: Setting, seeds: Sequence[int], only: str | None
) -> Iterator[Task]:
    for seed in seeds:
        for arm in [only] if only else CUTS:
            key = {"part": "cut", "arm": arm, "seed": seed}
            yield key, partial(measured_cut, setting, arm, seed)


def _judged(setting: Setting, taught: Distilled, started: float) -> Row:
    return {
        "accuracy": evaluate(taught.program, setting.test).value,
        "validation": taught.epochs[taught.best_epoch].validation,
        "best_epoch": taught.best_epoch,
        "teacher_hit_rate": taught.teacher_hit_rate,
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
        "kind": "micro",
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
    together: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if "accuracy" in row:
            together[row["arm"]].append(row["accuracy"])
    means = {arm: mean(values) for arm, values in together.items()}
    named = {
        "labels": means.get("labels"),
        "soft_targets": means.get("soft-targets"),
        "default": means.get(DEFAULT),
        "single_step": means.get("single_step"),
        "chain": means.get("chain"),
    }
    return {
        "accuracy": named,
        "arms": {
            arm: {
                "accuracy": means[arm],
                "std": stdev(values) if len(values) > 1 else None,
                "seeds": len(values),
            }
            for arm, values in together.items()
        },
        "default_is": DEFAULT,
        "speedup": next((row["speedup"] for row in rows if "speedup" in row), None),
        "images": {"train": TRAIN, "validation": VALIDATION, "test": TEST},
        "epochs": RECIPE.epochs,
    }


PARTS = {"cifar": cifar_rows, "cut": cut_rows, "latency": latency_rows}


def paths(parser: argparse.ArgumentParser) -> None:
    """Where the images and the trained network are."""
    shared = ROOT.parent / "shared"
    parser.add_argument("--data", type=Path, default=shared / "data/cifar10-jpeg.zip")
    parser.add_argument(
        "--weights",
        type=Path,
        default=shared / "models/resnet20-cifar10-jpeg.safetensors",
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    paths(parser)
    parser.add_argument("--part", choices=PARTS, default="cifar")
    parser.add_argument("--only", choices=(*ARMS, *CUTS), metavar="ARM")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
