"""Criteria of importance: seven of EdgeKit's beside Torch-Pruning's.

    python -m benchmarks.importance [--only METHOD] [--seeds 3] [--train 3000] [--test 2000]

A trained ResNet-20 loses 30, 50 and 70 % of its multiply-accumulates. Every method cuts the same
widths, those inside the residual blocks, to the same numbers, so that only the choice of channels
differs (Torch-Pruning in naive use cannot cut this network's other widths: its shortcuts pad
channels). Accuracy is taken straight after the cut and after one recovery epoch over the same
subset of the training images, on the same subset of the test images. GReg trains with its growing
penalty for one epoch more, before the cut. Rows already in `benchmarks/results/importance.json`
are kept.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import torch
from rich.console import Console
from rich.table import Table as Screen
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.fx import GraphModule

from benchmarks import cifar
from benchmarks.results import Row, Table
from edgekit.graph.graph import Group, WidthGraph, analyze
from edgekit.graph.surgery import shrink
from edgekit.program.program import Program, set_training, trace
from edgekit.prune.importance import CRITERIA, importance
from edgekit.types import InputSpec, Plan
from tests.zoo.exactness import macs, module_macs
from tests.zoo.vision import ResNet20

ROOT = Path(__file__).parents[1]
CUTS = (0.3, 0.5, 0.7)
PEERS = ("torch-pruning taylor", "torch-pruning greg")
METHODS = (*CRITERIA, *PEERS)
PACKAGES = ("torch", "torch-pruning")
SCORING_IMAGES = 256
BATCH = 64
LEARNING_RATE = 0.02
INPUT = (InputSpec(shape=(3, 32, 32)),)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Common inputs of all methods: the trained network, its graph, images."""

    weights: dict[str, Tensor]
    graph: WidthGraph
    train: cifar.Images
    test: cifar.Images
    train_count: int

    def network(self) -> ResNet20:
        network = ResNet20()
        network.load_state_dict(self.weights)
        return network.eval()

    @property
    def inner(self) -> list[Group]:
        """The widths inside residual blocks: made by one convolution, read by one."""
        return [g for g in self.graph.groups if g.id.endswith(".conv1")]

    def scoring(self, seed: int) -> tuple[Tensor, Tensor]:
        return self.train.some(SCORING_IMAGES, seed)

    def widths(self, cut: float) -> dict[str, int]:
        """The fraction kept of every inner width that leaves `1 - cut` of the operations."""
        whole = self._macs({})
        low, high = 0.0, 1.0
        for _ in range(10):
            middle = (low + high) / 2
            left = self._macs(self._kept(middle)) / whole
            low, high = (middle, high) if left < 1 - cut else (low, middle)
        return self._kept(high)

    def _kept(self, fraction: float) -> dict[str, int]:
        return {g.id: max(1, round(g.units * fraction)) for g in self.inner}

    def _macs(self, widths: dict[str, int]) -> int:
        plan = Plan(kept={name: tuple(range(n)) for name, n in widths.items()})
        return macs(shrink(self.graph, plan), (torch.zeros(1, 3, 32, 32),))


def main() -> None:
    arguments = _arguments()
    missing = [p for p in (arguments.data, arguments.weights) if not p.is_file()]
    if missing:
        print(f"Skipped: {missing[0]} is not there. Pass --data and --weights.")
        return
    torch.set_num_threads(arguments.threads)
    setting = _setting(arguments)
    table = Table("importance", ("method", "cut", "seed"), PACKAGES)
    network = trace(setting.network(), INPUT).module
    context = {
        "whole_accuracy": accuracy(network, setting.test),
        "test_images": arguments.test,
        "recovery_images": arguments.train,
        "scoring_images": SCORING_IMAGES,
        "recovery": f"1 epoch, batch {BATCH}, one-cycle to {LEARNING_RATE}, crop and flip",
    }
    for cut in CUTS:
        widths = setting.widths(cut)
        for method in [arguments.only] if arguments.only else METHODS:
            for seed in range(arguments.seeds):
                if table.find(method=method, cut=cut, seed=seed):
                    continue
                row = measure(setting, method, widths, seed)
                row = {"method": method, "cut": cut, "seed": seed, **row}
                table.add(row, lambda rows: {**context, "means": _means(rows)})
                print(row, flush=True)
    _print(_means(list(table.rows.values())), context["whole_accuracy"])


def measure(setting: Setting, method: str, widths: dict[str, int], seed: int) -> Row:
    torch.manual_seed(seed)
    start = time.perf_counter()
    if method in PEERS:
        network = _cut_by_peer(setting, method, widths, seed)
    else:
        network = _cut(setting, method, widths, seed).module
    seconds = time.perf_counter() - start
    example = (torch.zeros(1, 3, 32, 32),)
    left = module_macs(network, example)
    whole = macs(setting.graph.program, example)
    pruned = accuracy(network, setting.test)
    train(network, setting.train.subset(setting.train_count, seed), seed)
    return {
        "macs_left": left / whole,
        "accuracy_pruned": pruned,
        "accuracy_recovered": accuracy(network, setting.test),
        "cut_seconds": seconds,
    }


def _cut(
    setting: Setting, criterion: str, widths: dict[str, int], seed: int
) -> Program:
    scores = importance(setting.graph, criterion, batches=[setting.scoring(seed)])
    kept = {
        name: tuple(sorted(scores[name].argsort()[-count:].tolist()))
        for name, count in widths.items()
    }
    return shrink(setting.graph, Plan(kept=kept))


def _cut_by_peer(
    setting: Setting, method: str, widths: dict[str, int], seed: int
) -> nn.Module:
    """Torch-Pruning cuts the same layers to the same widths."""
    import torch_pruning as tp

    network = setting.network()
    layers = dict(network.named_modules())
    ratios = {layers[g.id]: 1 - widths[g.id] / g.units for g in setting.inner}
    ignored = [
        layer
        for layer in layers.values()
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer not in ratios
    ]
    options = {
        "pruning_ratio_dict": ratios,
        "pruning_ratio": 0.0,
        "ignored_layers": ignored,
    }
    example = torch.zeros(1, 3, 32, 32)
    if method == "torch-pruning taylor":
        taylor = tp.importance.GroupTaylorImportance()
        pruner = tp.pruner.BasePruner(network, example, importance=taylor, **options)
        inputs, labels = setting.scoring(seed)
        nn.functional.cross_entropy(network(inputs), labels).backward()
    else:
        size = tp.importance.GroupMagnitudeImportance(p=2)
        pruner = tp.pruner.GrowingRegPruner(
            network, example, importance=size, reg=1e-4, delta_reg=1e-2, **options
        )
        images = setting.train.subset(setting.train_count, seed)
        train(network, images, seed, _grow(pruner))
    pruner.step()
    network.zero_grad()
    for group in setting.inner:
        assert layers[group.id].out_channels == widths[group.id], group.id
    return network.eval()


def _grow(pruner: object) -> Callable[[int, nn.Module], None]:
    """Before every step the growing penalty; every fifth step it grows."""

    def penalize(step: int, network: nn.Module) -> None:
        if step % 5 == 0:
            pruner.update_reg()  # type: ignore[attr-defined]
        pruner.regularize(network)  # type: ignore[attr-defined]

    return penalize


def _switch(network: nn.Module, *, training: bool) -> None:
    """Into training or evaluation: a traced network by EdgeKit, a peer's by PyTorch."""
    if isinstance(network, GraphModule):
        set_training(network, training)
    else:
        network.train(training)


def train(
    network: nn.Module,
    images: cifar.Images,
    seed: int,
    penalize: Callable[[int, nn.Module], None] | None = None,
) -> None:
    """One epoch of stochastic gradient descent, the rate going up and down once."""
    _switch(network, training=True)
    steps = -(-len(images.labels) // BATCH)
    optimizer = torch.optim.SGD(
        network.parameters(), LEARNING_RATE, momentum=0.9, weight_decay=5e-4
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.2
    )
    for step, (inputs, labels) in enumerate(images.augmented(BATCH, seed)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), labels).backward()
        if penalize is not None:
            penalize(step, network)
        optimizer.step()
        schedule.step()
    _switch(network, training=False)


def accuracy(network: nn.Module, images: cifar.Images) -> float:
    right = 0
    with torch.no_grad():
        for inputs, labels in images.batches(250):
            right += int((network(inputs).argmax(1) == labels).sum())
    return right / len(images.labels)


def _means(rows: list[Row]) -> list[Row]:
    """Accuracy by method and cut: mean and standard deviation over seeds."""
    together: dict[tuple[str, float], list[Row]] = defaultdict(list)
    for row in rows:
        together[row["method"], row["cut"]].append(row)
    means = []
    for (method, cut), several in together.items():
        result: Row = {"method": method, "cut": cut, "seeds": len(several)}
        for key in ("accuracy_pruned", "accuracy_recovered"):
            values = [row[key] for row in several]
            result[key] = mean(values)
            result[f"{key}_std"] = stdev(values) if len(values) > 1 else None
        means.append(result)
    return means


def _print(means: list[Row], whole: float) -> None:
    screen = Screen(
        title=f"ResNet-20, whole {whole:.1%}: after the cut > after recovery"
    )
    screen.add_column("method")
    for cut in CUTS:
        screen.add_column(f"-{cut:.0%} operations", justify="right")
    cells = {(row["method"], row["cut"]): row for row in means}
    for method in dict.fromkeys(row["method"] for row in means):
        found = [cells.get((method, cut)) for cut in CUTS]
        screen.add_row(method, *("-" if row is None else _cell(row) for row in found))
    Console(width=100).print(screen)


def _cell(row: Row) -> str:
    return f"{row['accuracy_pruned']:.1%} > {row['accuracy_recovered']:.1%}"


def _setting(arguments: argparse.Namespace) -> Setting:
    weights = load_file(arguments.weights)
    network = ResNet20()
    network.load_state_dict(weights)
    return Setting(
        weights=weights,
        graph=analyze(trace(network.eval(), INPUT)),
        train=cifar.read(arguments.data, "train", max(arguments.train, 10_000)),
        test=cifar.read(arguments.data, "test", arguments.test),
        train_count=arguments.train,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = ROOT.parent / "shared"
    parser.add_argument("--data", type=Path, default=shared / "data/cifar10-jpeg.zip")
    parser.add_argument(
        "--weights",
        type=Path,
        default=shared / "models/resnet20-cifar10-jpeg.safetensors",
    )
    parser.add_argument("--only", choices=METHODS, metavar="METHOD")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--train", type=int, default=3000, help="images of the epoch")
    parser.add_argument("--test", type=int, default=2000, help="images of the test")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
