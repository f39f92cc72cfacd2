"""An epoch of EdgeKit's distillation beside one of a loop written by hand.

    python -m benchmarks.distillation_overhead [--rounds 3]

The same teacher, student, images, batches, losses, optimizer and validation. The loop runs the
author's modules; EdgeKit the exported graph of them. Processor time of one thread, EdgeKit and
loop in turns; the ratio is the median over rounds. `kept` has no augmentation, and both keep
the teacher's outputs; `moving` shifts and mirrors, and both compute the teacher every time. The
loop's images have their channels last, as a reader of JPEG gives them, or first (`-first`),
which the convolutions of the processor take more slowly; EdgeKit always puts them last.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import cifar
from benchmarks.distillation_setting import INPUT, STUDENT, Narrow, dataset, paths
from benchmarks.results import Row, Table
from edgekit.distill import Hooks, distill, optimize
from edgekit.program.program import trace
from edgekit.types import DistillRecipe
from tests.zoo.vision import ResNet20

IMAGES, VALIDATION = 768, 256
EPOCHS = 2
ALLOWED = 1.1
CASES = ("kept", "moving", "kept-first", "moving-first")
PACKAGES = ("torch", "accelerate")
Batch = tuple[Tensor, Tensor, Tensor | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    paths(parser)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    missing = [p for p in (arguments.data, arguments.weights) if not p.is_file()]
    if missing:
        print(f"Skipped: {missing[0]} is not there. Pass --data and --weights.")
        return
    torch.set_num_threads(1)
    images = cifar.read(arguments.data, "train", IMAGES + VALIDATION)
    table = Table("distillation_overhead", ("case", "round"), PACKAGES)
    for case in CASES:
        for number in range(arguments.rounds):
            if table.find(case=case, round=number) is None:
                row = measured(case, number, images, arguments.weights)
                table.add(row, summary)
                print(row, flush=True)


def measured(case: str, number: int, images: cifar.Images, weights: Path) -> Row:
    teacher = ResNet20()
    teacher.load_state_dict(load_file(weights))
    ours = [by_edgekit(case, images, teacher)]
    theirs = [by_hand(case, images, teacher.eval())]
    if number % 2:  # the other one first
        theirs.append(by_hand(case, images, teacher.eval()))
        ours.append(by_edgekit(case, images, teacher))
    return {
        "case": case,
        "round": number,
        "edgekit_cpu_s": min(ours),
        "by_hand_cpu_s": min(theirs),
        "ratio": min(ours) / min(theirs),
    }


def summary(rows: list[Row]) -> Row:
    cases = dict.fromkeys(row["case"] for row in rows)
    ratios = {
        case: median(row["ratio"] for row in rows if row["case"] == case)
        for case in cases
    }
    return {"epoch_time_ratio": ratios, "allowed": ALLOWED}


def recipe(case: str) -> DistillRecipe:
    return DistillRecipe(
        epochs=EPOCHS,
        batch_size=64,
        learning_rate=0.05,
        losses={},
        augment="none" if case.startswith("kept") else "shift-flip",
    )


def by_edgekit(case: str, images: cifar.Images, teacher: nn.Module) -> float:
    """Processor seconds of an epoch, the first left out."""
    torch.manual_seed(0)
    whole = dataset(images)
    stamps: list[float] = []
    distill(
        trace(teacher, INPUT),
        trace(Narrow(STUDENT), INPUT),
        train=whole.subset(np.arange(IMAGES)),
        validation=whole.subset(np.arange(IMAGES, IMAGES + VALIDATION)),
        recipe=recipe(case),
        seed=0,
        hooks=Hooks(on_epoch=lambda _: stamps.append(time.process_time())),
    )
    return (stamps[-1] - stamps[1]) / (EPOCHS - 1)


def by_hand(case: str, images: cifar.Images, teacher: nn.Module) -> float:
    """The same as anyone would write it."""
    torch.manual_seed(0)
    settings, student = recipe(case), Narrow(STUDENT)
    first = case.endswith("-first")
    layout = torch.contiguous_format if first else torch.channels_last
    train = cifar.Images(pixels=images.pixels[:IMAGES], labels=images.labels[:IMAGES])
    rate = optimize.learning_rate(settings)
    optimizer = torch.optim.SGD(
        student.parameters(), rate, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=EPOCHS * (IMAGES // 64), pct_start=0.2
    )
    with torch.no_grad():
        parts = [teacher(x) for x, _ in train.batches(256)]
        kept = torch.cat(parts) if case.startswith("kept") else None
    stamps = []
    for epoch in range(EPOCHS):
        stamps.append(time.process_time())
        student.train()
        for x, y, soft in _batches(train, kept, epoch):
            x = x.contiguous(memory_format=layout)
            if soft is None:
                with torch.no_grad():
                    soft = teacher(x)
            logits = student(x)
            divergence = F.kl_div(
                F.log_softmax(logits / 4, 1),
                F.log_softmax(soft / 4, 1),
                reduction="batchmean",
                log_target=True,
            )
            loss = 0.9 * 16 * divergence + 0.1 * F.cross_entropy(logits, y)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(student.parameters(), settings.clip_norm)
            optimizer.step()
            schedule.step()
        student.eval()
        with torch.no_grad():
            x = images.pixels[IMAGES:].contiguous(memory_format=layout)
            student(x).argmax(1).eq(images.labels[IMAGES:]).sum()
    stamps.append(time.process_time())
    return (stamps[-1] - stamps[1]) / (EPOCHS - 1)


def _batches(train: cifar.Images, kept: Tensor | None, epoch: int) -> Iterator[Batch]:
    if kept is None:
        yield from ((x, y, None) for x, y in train.augmented(64, epoch))
        return
    for chosen in torch.randperm(IMAGES).split(64):
        yield train.pixels[chosen], train.labels[chosen], kept[chosen]


if __name__ == "__main__":
    main()
