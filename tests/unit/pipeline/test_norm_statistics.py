"""Statistics of batch norm after a cut, judged on validation samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.commands.build import read_request
from edgekit.data import Dataset
from edgekit.data.samples import InMemory
from edgekit.distill import tasks
from edgekit.pipeline.chain import prune_and_distill
from edgekit.pipeline.loading import load
from edgekit.pipeline.norm_statistics import renormalized
from edgekit.pipeline.training_inputs import TrainingInputs
from edgekit.program.program import Program, trace
from edgekit.progress import Logged, Silent
from edgekit.report.note_words import sentence
from edgekit.store import Store
from edgekit.types import TaskSpec
from edgekit.types.notes import BatchNormReestimated
from tests.unit.distill.test_train import (
    INPUT,
    TRAIN,
    VALIDATION,
    bright_side,
    unlabeled,
)
from tests.unit.pipeline import points
from tests.unit.pipeline.test_locked import cut_of, inputs_of, lock_of

BATCH = 64


def by_edges(mean: float) -> Program:
    """Knows which edge is bright, where its statistics have the mean of the images."""
    norm, linear = nn.BatchNorm2d(1), nn.Linear(36, 4)
    with torch.no_grad():
        norm.running_mean.fill_(mean)  # type: ignore[union-attr, operator]
        for side in range(4):
            edge = np.zeros((6, 6), np.float32)
            np.rot90(edge, side)[0] = 1.0
            linear.weight[side] = torch.from_numpy(edge).flatten()
        linear.bias.zero_()
    return trace(nn.Sequential(norm, nn.ReLU(), nn.Flatten(), linear), (INPUT,))


def inputs_on(train: Dataset, validation: Dataset, root: Path) -> TrainingInputs:
    return TrainingInputs(
        samples=cast(Any, _Samples(train, validation)),
        task=tasks.of_kind("classification"),
        spec=TaskSpec(kind="classification"),
        seed=0,
        store=Store(root),
        progress=Logged(),
    )


class _Samples:
    def __init__(self, train: Dataset, validation: Dataset) -> None:
        self.train, self.validation = train, validation


def mean_of(program: Program) -> float:
    return float(program.module.state_dict()["0.running_mean"])


@pytest.mark.parametrize("labeled", [True, False])
def test_statistics_of_another_network_are_replaced(
    tmp_path: Path, *, labeled: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """With a mean far away every rectifier is silent, and the first class is its only answer."""
    caplog.set_level("INFO", "edgekit")
    validation = VALIDATION if labeled else unlabeled(VALIDATION)
    inputs = inputs_on(TRAIN, validation, tmp_path)
    teacher = by_edges(0.25)
    found = renormalized(inputs, teacher, by_edges(100.0), BATCH)
    assert found is not None and found.note.kept
    assert found.note.before.value < 0.5 and found.note.after.value > 0.75
    used = TRAIN.arrays()[0][: len(TRAIN) // BATCH * BATCH]
    assert found.note.samples == len(used)
    assert mean_of(found.network) == pytest.approx(TRAIN.arrays()[0].mean(), abs=0.02)
    again = renormalized(inputs, teacher, by_edges(100.0), BATCH)
    assert again is not None and again.note == found.note
    assert [one.kept for one in inputs.store.outcomes] == [False, True]
    words = sentence(found.note)[1:]
    assert words in caplog.text


def test_worse_statistics_are_not_kept(tmp_path: Path) -> None:
    """Training samples that lie elsewhere than those that judge."""
    far = Dataset(
        InMemory(values=TRAIN.arrays()[0] + 100),
        TRAIN.targets,
        labels=TRAIN.labels,
        preprocess=TRAIN.columns[0].preprocess,
    )
    student = by_edges(0.25)
    found = renormalized(inputs_on(far, VALIDATION, tmp_path), student, student, BATCH)
    assert found is not None and not found.note.kept
    assert found.note.before.value > found.note.after.value + 0.3
    assert found.network.fingerprint() == student.fingerprint()


def test_few_samples_are_one_batch_and_a_network_without_norm_is_left_alone(
    tmp_path: Path,
) -> None:
    inputs = inputs_on(bright_side(40, 2), VALIDATION, tmp_path)
    found = renormalized(inputs, by_edges(0.25), by_edges(100.0), BATCH)
    assert found is not None and found.note.samples == 40
    plain = trace(nn.Sequential(nn.Flatten(), nn.Linear(36, 4)), (INPUT,))
    assert renormalized(inputs, plain, plain, BATCH) is None


@pytest.mark.parametrize(
    ("compensate", "option", "expected"),
    [
        (True, None, False),
        (True, True, True),
        (False, None, True),
        (False, False, False),
    ],
)
def test_a_cut_network_gets_its_own_before_it_is_trained(
    tmp_path: Path, *, compensate: bool, option: bool | None, expected: bool
) -> None:
    folder = points.write(tmp_path)
    text = points.MODEL.replace("nn.ReLU()", "nn.BatchNorm1d(16), nn.ReLU()")
    (folder / "model.py").write_text(text)
    request = read_request(folder, "raspberrypi4", Silent())  # type: ignore[arg-type]
    project, recipe = request.project, request.project.recipe
    prune = replace(recipe.prune, compensate=compensate, reestimate_batch_norm=option)
    project = replace(project, recipe=replace(recipe, prune=prune))
    request = replace(request, project=project)
    loaded = load(request, points.environment(tmp_path / "store"), {})
    cut = cut_of(request, loaded, tmp_path / "planned")
    locked = replace(request, locked=lock_of(request, loaded, cut))
    inputs = inputs_of(locked, loaded, tmp_path / "made")
    pruned, student = prune_and_distill(locked, inputs, loaded.teacher, tmp_path)
    [*notes] = [n for n in pruned.notes if isinstance(n, BatchNormReestimated)]
    assert len(notes) == expected
    if expected:
        [note] = notes
        first = student.epochs[0].validation
        kept = note.after if note.kept else note.before
        assert first == pytest.approx(kept.value)
