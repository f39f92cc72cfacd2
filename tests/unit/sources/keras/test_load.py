"""A Keras file becomes a program that trains, takes any batch and is checked as it is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import edgekit
from edgekit import sources
from edgekit.errors import ModelError
from edgekit.types import InputSpec
from tests.unit.sources.keras.files import DATA, source, stored


def test_it_trains_from_named_parameters_at_any_batch() -> None:
    network = edgekit.load(DATA / "convolutions.keras")
    assert [spec.shape for spec in network.inputs] == [(3, 13, 12)]
    assert "separable_conv2d.pointwise.weight" in dict(
        network.module.named_parameters()
    )
    inputs, outputs = stored("convolutions")
    x = torch.from_numpy(inputs[0]).movedim(-1, 1)
    with torch.no_grad():
        assert torch.allclose(
            network.module(x[:1]), torch.from_numpy(outputs[0][:1]), atol=1e-4
        )
    network.module.train()
    optimizer = torch.optim.SGD(network.module.parameters(), lr=1e-4)
    target = torch.zeros(3, 5)
    losses = []
    for _ in range(5):
        loss = ((network.module(x) - target) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]


def test_tokens_are_whole_numbers_and_outputs_keep_their_structure() -> None:
    assert source("tokens.keras").dtypes == (torch.int32,)
    nested = source("nested.h5")
    with torch.no_grad():
        found = nested.module(torch.zeros(2, 3, 8, 8))
    assert nested.outputs == tuple(found)
    assert sorted(found) == ["scores", "value"]


def test_a_shape_that_is_not_the_files_is_refused() -> None:
    with pytest.raises(ModelError, match=r"\[3, 8, 8\].*\[3, 9, 9\]"):
        source("nested.keras", input=InputSpec(shape=(3, 9, 9)))


def test_files_are_recognized_by_content(tmp_path: Path) -> None:
    for name in ("tokens.keras", "tokens.h5"):
        plain = tmp_path / f"{Path(name).suffix[1:]}-model"
        plain.write_bytes((DATA / name).read_bytes())
        assert sources.recognized(plain.name, tmp_path) is sources.known()["keras"]
