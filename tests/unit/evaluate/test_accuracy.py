from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics.functional.classification import multiclass_accuracy

from edgekit.data import Dataset, accuracy
from edgekit.data.samples import InMemory
from edgekit.errors import DataError
from edgekit.evaluate.accuracy import evaluate
from edgekit.program.program import trace
from edgekit.types import InputSpec, Preprocess


def test_program_is_judged_on_labeled_samples_in_batches() -> None:
    torch.manual_seed(0)
    program = trace(nn.Linear(4, 3), (InputSpec(shape=(4,)),))
    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    y = np.random.default_rng(1).integers(-1, 3, 50)
    dataset = Dataset(
        InMemory(values=x), y, labels=("a", "b", "c"), preprocess=Preprocess(scale=2)
    )
    found = evaluate(program, dataset, batch=7)
    outputs = program.module(torch.from_numpy(x / 2))
    expected = multiclass_accuracy(
        outputs, torch.from_numpy(y), 3, average="micro", ignore_index=-1
    )
    assert found.value == pytest.approx(expected.item())
    assert found.samples == (y >= 0).sum() < 50


def test_accuracy_needs_labels_that_the_network_has() -> None:
    with pytest.raises(DataError, match="no labels"):
        accuracy(np.zeros((2, 3)), np.array([-1, -1]))
    with pytest.raises(DataError, match="class 5, but the network has 3 outputs"):
        accuracy(np.zeros((2, 3)), np.array([0, 5]))
