"""True where data and network fit a task is settled before anything is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.bench.verdict import choose, verdicts
from edgekit.config.targets import load as target
from edgekit.data import Dataset
from edgekit.data.samples import InMemory
from edgekit.errors import DataError, ModelError, ParityError
from edgekit.pipeline.check_data import check, relative
from edgekit.pipeline.evaluate import check_parity
from edgekit.program.program import Program, trace
from edgekit.types import (
    Artifact,
    Budget,
    Evaluation,
    InputSpec,
    Preprocess,
    TaskKind,
    TaskSpec,
)
from tests.reports import report

IMAGE = InputSpec(shape=(1, 6, 6))


def network(module: nn.Module, spec: InputSpec = IMAGE) -> Program:
    torch.manual_seed(0)
    return trace(module, (spec,))


def samples(targets: np.ndarray, shape: tuple[int, ...] = (1, 6, 6)) -> Dataset:
    return Dataset(
        InMemory(values=np.zeros((len(targets), *shape), np.float32)),
        targets,
        labels=(),
        preprocess=Preprocess(scale=1),
    )


@pytest.mark.parametrize(
    ("kind", "module", "targets", "error", "words"),
    [
        (
            "segmentation", nn.Conv2d(1, 3, 1), np.zeros((2, 3, 3), np.int64), DataError,
            r"targets of shape \[3, 3\] a sample, and the network decides \[6, 6\]",
        ),
        (
            "segmentation", nn.Conv2d(1, 3, 1), np.full((2, 6, 6), 3), DataError,
            "class 3, but the network has 3 outputs",
        ),
        (
            "segmentation", nn.Flatten(), np.zeros((2, 6, 6), np.int64), ModelError,
            r"returns shape \[1, 36\]. Segmentation needs one tensor of logits",
        ),
        (
            "regression", nn.Sequential(nn.Flatten(), nn.Linear(36, 2)),
            np.zeros((2, 3), np.float32), DataError, r"returns \[2\]. Make them the same",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(
    kind: TaskKind,
    module: nn.Module,
    targets: np.ndarray,
    error: type[Exception],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        check(network(module), samples(targets), kind)


def test_what_fits_is_not_refused() -> None:
    dense = network(nn.Conv2d(1, 3, 1))
    check(dense, samples(np.full((2, 6, 6), 2)), "segmentation")
    check(dense, samples(np.full(2, -1)), "segmentation")
    values = network(nn.Sequential(nn.Flatten(), nn.Linear(36, 1)))
    check(values, samples(np.zeros(2, np.float32)), "regression")


def evaluation(value: float, *, fraction: bool) -> Evaluation:
    return Evaluation(
        metric="mean IoU" if fraction else "perplexity",
        value=value,
        samples=10,
        higher_is_better=fraction,
        is_fraction=fraction,
    )


def test_what_is_lost_has_the_right_sign_and_measure() -> None:
    overlap, surprise = evaluation(0.8, fraction=True), evaluation(20.0, fraction=False)
    assert overlap.drop(
        evaluation(0.7, fraction=True), relative=False
    ) == pytest.approx(0.1)
    worse, better = evaluation(22, fraction=False), evaluation(19, fraction=False)
    assert surprise.drop(worse, relative=True) == pytest.approx(0.1)
    assert surprise.drop(worse, relative=False) == 2
    assert surprise.drop(better, relative=True) == pytest.approx(-0.05)
    assert not relative(TaskSpec(), overlap)
    assert relative(TaskSpec(), surprise)
    assert relative(TaskSpec(drop="relative"), overlap)
    assert not relative(TaskSpec(drop="absolute"), surprise)


@pytest.mark.parametrize(
    ("as_fraction", "fault", "value"),
    [
        (True, "loses 10.00 % of perplexity, 5.00 % allowed", "%"),
        (False, "0.1 of", "own"),
    ],
)
def test_a_candidate_that_loses_too_much_is_reported_in_the_metrics_measure(
    as_fraction: bool, fault: str, value: str
) -> None:
    from dataclasses import replace

    from edgekit.report import words
    from edgekit.report.verdict_words import outcome

    candidate = replace(
        report().candidates[0],
        evaluation=evaluation(22, fraction=False),
        accuracy_drop=0.1,
        relative_drop=as_fraction,
    )
    budget = Budget(accuracy_drop=0.05)
    [chosen] = choose([candidate], budget, None)
    assert fault in outcome(chosen)
    [line] = verdicts(chosen, budget, target("raspberrypi4"))
    assert (line.verdict, line.metric, line.unit) == ("over", "perplexity", value)
    assert words.budget_name(line) == "Perplexity, worse by"
    if as_fraction:
        assert words.budget_limit(line) == "at most 5.00 %"
        assert words.budget_value(line) == "10.00 %"
        assert words.lost(chosen) == "has a perplexity 10.00 % higher"


def artifact(precision: str) -> Artifact:
    return Artifact(
        name=f"litert-{precision}",
        runtime="litert",
        precision=precision,  # type: ignore[arg-type]
        files=(Path("x"),),
        inputs=(),
        outputs=(),
    )


def test_parity_counts_the_decisions_that_a_task_makes() -> None:
    generator = np.random.default_rng(0)
    maps = generator.normal(size=(2, 3, 4, 4)).astype(np.float32)
    moved = maps.copy()
    moved[0, :, 0] = -maps[0, :, 0]  # 4 of 32 pixels, some decided as before
    expected = (moved.argmax(1) == maps.argmax(1)).mean()
    assert expected < 1
    found = check_parity(artifact("int8"), moved, maps, "segmentation")
    assert found.agreement == pytest.approx(expected) and found.explained is None
    with pytest.raises(ParityError, match="of the pixels on 2 samples"):
        check_parity(artifact("int8"), -maps, maps, "segmentation")


def test_parity_of_values_is_the_variance_in_common() -> None:
    values = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    noise = np.random.default_rng(1).normal(scale=0.3, size=(200, 2))
    found = check_parity(
        artifact("int8"), (values + noise).astype(np.float32), values, "regression"
    )
    assert found.agreement is None
    assert found.explained == pytest.approx(1 - 0.09, abs=0.02)
    with pytest.raises(ParityError, match="variance of the network's outputs"):
        check_parity(artifact("int8"), values[::-1], values, "regression")


def test_the_number_of_outputs_is_known_where_classes_are() -> None:
    seven = network(nn.Sequential(nn.Flatten(), nn.Linear(36, 7)))
    assert check(seven, samples(np.arange(5)), "classification") == 7
    assert check(seven, samples(np.full(5, -1)), "classification") is None
