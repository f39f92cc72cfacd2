"""Whole builds of a network, data and functions in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import edgekit as ek
from edgekit.errors import DataError, UsageError
from edgekit.types import (
    BenchRecipe,
    DistillRecipe,
    ExportRecipe,
    PruneRecipe,
    TaskSpec,
)
from tests.shapes import loader, trained

QUICK = ek.Recipe(
    prune=PruneRecipe(cost_provenance="estimated", rounds=1, iterations=1),
    distill=DistillRecipe(epochs=1),
    export=ExportRecipe(runtimes=("onnxruntime",), precisions=("fp32",)),
    bench=BenchRecipe(runtime_options_s=0),
)


@pytest.fixture(scope="module")
def model() -> ek.Network:
    return ek.load(trained(), example_input=torch.zeros(1, 1, 8, 8))


@pytest.mark.slow
def test_a_build_with_the_callers_functions(model: ek.Network, tmp_path: Path) -> None:
    seen = set()

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        seen.add("loss")
        return nn.functional.cross_entropy(outputs, targets)

    def error_rate(outputs: np.ndarray, targets: np.ndarray) -> float:
        seen.add("metric")
        return float((outputs.argmax(1) != targets).mean())

    data = ek.Data(
        train=loader(96, seed=1),
        test=loader(30, seed=2),
        task=TaskSpec(drop="absolute"),
    )
    for _ in range(2):  # nothing that a function led to is taken from the store
        seen.clear()
        bundle = ek.build(
            model,
            data,
            target="raspberrypi4",
            out=tmp_path / "bundle",
            loss=loss,
            metric=error_rate,
            higher_is_better=False,
            recipe=QUICK,
        )
        assert seen == {"loss", "metric"}
    report = bundle.report
    assert report.teacher.evaluation.metric == "error rate"
    assert not report.teacher.evaluation.higher_is_better
    assert [one.artifact.name for one in report.candidates] == ["onnxruntime-fp32"]
    assert bundle.student.parameters < model.parameters
    assert (tmp_path / "bundle/manifest.json").is_file()


def test_what_cannot_be_built(
    model: ek.Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "bundle"
    train = ek.Data(train=loader(32, seed=1))
    with pytest.raises(DataError, match="no test samples"):
        ek.build(model, train, target="raspberrypi4", out=out)
    boxes = ek.Data(train=loader(32, seed=1), test=loader(32, seed=2), task="detection")
    with pytest.raises(UsageError, match=r"metric='metric\.py:score'"):
        ek.build(model, boxes, target="raspberrypi4", out=out, metric=lambda x, y: 0)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="accelerate launch"):
        ek.build(model, train, target="raspberrypi4", out=out)
    assert not out.exists()
