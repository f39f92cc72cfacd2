"""Recovery after a cut: the recipe's learning rate by trial beside fixed ones, over networks.

    python -m benchmarks.recovery [--only NETWORK ...] [--minutes M]

The networks and data of `benchmarks/frontier_networks.py`, and the digits; examples with their own
recipes. Each is cut to a fraction of every exact width, mild and deep, its layers refitted; then
the same student is trained with the recipe's learning rate found by trial (`auto`), and with one,
three and ten times the default of its optimizer. Losses are of the metric on test samples, against
the unpruned network; trials are counted in the processor seconds. Rows lie in
`benchmarks/results/recovery.json`; those already there are kept.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Literal

import torch

from benchmarks.frontier_edgekit import Bench
from benchmarks.frontier_networks import NETWORKS, ROOT, Places, project_of
from benchmarks.quantization_networks import Missing
from benchmarks.results import Row, Table
from edgekit.config import project
from edgekit.distill import distill
from edgekit.distill.optimize import RATES
from edgekit.evaluate.accuracy import evaluate
from edgekit.graph.graph import analyze
from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.unit_scores import batches, score_importance
from edgekit.program.program import Program
from edgekit.progress import Silent
from edgekit.prune.objective import keep_best
from edgekit.prune.reconstruct import reconstruct
from edgekit.store import Store
from edgekit.types import DistillRecipe, Evaluation

Rate = float | Literal["auto"]
AUTO: Literal["auto"] = "auto"
ARMS: Mapping[str, float | None] = {AUTO: None, "one": 1.0, "three": 3.0, "ten": 10.0}
"""Rates, of the optimizer's default; `None` is by trial."""
KEPT = (0.75, 0.4)
"""Fractions of every width."""
FITTED = 512
SUBJECTS = ("digits", *NETWORKS)
SEED = 0
_SAME = 0.002
"""Losses nearer than this are taken to be the same."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A network, its data, and how it is trained."""

    loaded: Loaded
    recipe: DistillRecipe

    @classmethod
    def of(cls, name: str, places: Places) -> Subject:
        root = ROOT / "examples" / name
        if root.is_dir():
            given = project.load(root).with_settings(("recipe.distill.losses={}",))
        else:
            given = project_of(NETWORKS[name], places)
        bench = Bench.of(given, "litert")
        recipe = bench.request.project.recipe.distill
        return cls(loaded=bench.loaded, recipe=recipe)

    @cached_property
    def tested(self) -> Evaluation:
        """The unpruned network on test samples."""
        return self._of(self.loaded.teacher)

    def cut(self, fraction: float) -> Program:
        """Every exact width at a fraction, the most important units, layers refitted."""
        graph, train = analyze(self.loaded.teacher), self.loaded.samples.train
        scores = score_importance(graph, train, "activation", Silent())
        groups = [group for group in graph.groups if group.exact]
        widths = {g.id: max(1, round(g.units * fraction)) for g in groups}
        [(samples, _)] = batches(train, FITTED)
        return reconstruct(graph, keep_best(groups, widths, scores), samples)

    def trained(self, student: Program, arm: str) -> Row:
        """The loss of the student with one rate."""
        factor, samples = ARMS[arm], self.loaded.samples
        rate: Rate = AUTO
        if factor is not None:
            rate = factor * RATES[self.recipe.optimizer]
        began = time.process_time()
        result = distill(
            self.loaded.teacher,
            student,
            train=samples.train,
            validation=samples.validation,
            recipe=replace(self.recipe, learning_rate=rate),
            seed=SEED,
            kind=self.loaded.task.kind,
        )
        test = result.rate_test
        return {
            "rate": rate if test is None else test.rate,
            "loss": self.tested.drop(self._of(result.program), relative=False),
            "kept_epoch": result.kept_epoch,
            "epochs": len(result.epochs) - 1,
            "cpu_seconds": round(time.process_time() - began, 1),
        }

    def untrained(self, student: Program) -> float:
        """The loss of the student as it was cut."""
        return self.tested.drop(self._of(student), relative=False)

    def _of(self, program: Program) -> Evaluation:
        test = self.loaded.samples.test
        return evaluate(program, test, metric=self.loaded.metric)


def summarize(rows: Sequence[Row]) -> Row:
    """Mean losses of each arm over cuts that have all, and how often trials were as good as the
    best fixed rate, or as the default."""
    cuts: dict[tuple[str, float], dict[str, float]] = defaultdict(dict)
    for row in rows:
        cuts[row["network"], row["kept"]][row["arm"]] = row["loss"]
    whole = [losses for losses in cuts.values() if losses.keys() == ARMS.keys()]
    if not whole:
        return {"cuts": 0}
    fixed = [arm for arm in ARMS if arm != AUTO]
    return {
        "networks": len({row["network"] for row in rows}),
        "cuts": len(whole),
        "mean_loss": {arm: fmean(losses[arm] for losses in whole) for arm in ARMS},
        "as_good_as_best": sum(
            losses[AUTO] <= min(losses[arm] for arm in fixed) + _SAME
            for losses in whole
        ),
        "as_good_as_default": sum(
            losses[AUTO] <= losses["one"] + _SAME for losses in whole
        ),
        "worst_loss_over_best": {
            arm: max(
                losses[arm] - min(losses[other] for other in fixed) for losses in whole
            )
            for arm in ARMS
        },
    }


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    started = time.monotonic()
    table = Table("recovery", ("network", "kept", "arm", "seed"), ("torch",))
    places = Places(
        images=arguments.data,
        weights=arguments.models / "resnet20-cifar10-jpeg.safetensors",
        resnet56=arguments.models / "third-party/resnet56-4bfd9763.th",
        cache=arguments.cache.absolute(),
    )
    for name in arguments.only or SUBJECTS:
        subject: Subject | None = None
        for kept in KEPT:
            student: Program | None = None
            for arm in ARMS:
                key = {"network": name, "kept": kept, "arm": arm, "seed": SEED}
                spent = (time.monotonic() - started) / 60
                if table.find(**key) or spent > (arguments.minutes or spent):
                    continue
                try:
                    subject = subject or Subject.of(name, places)
                except Missing as error:
                    print(f"{name} is left out: {error}", flush=True)
                    break
                student = student or subject.cut(kept)
                row = {
                    **key,
                    "metric": subject.tested.metric,
                    "unpruned": subject.tested.value,
                    "untrained_loss": subject.untrained(student),
                    **subject.trained(student, arm),
                }
                table.add(row, summarize)
                print(json.dumps(row), flush=True)
    print(json.dumps(summarize([*table.rows.values()]), indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = ROOT.parent / "shared"
    parser.add_argument("--data", type=Path, default=shared / "data/cifar10-jpeg.zip")
    parser.add_argument("--models", type=Path, default=shared / "models")
    parser.add_argument("--cache", type=Path, default=Store().root / "latency_frontier")
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, metavar="NETWORK")
    parser.add_argument("--minutes", type=float, help="after which none is begun")
    return parser.parse_args()


if __name__ == "__main__":
    main()
