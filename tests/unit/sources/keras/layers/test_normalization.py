"""Normalizations compute what Keras computed."""

from __future__ import annotations

import pytest
import torch

from edgekit.sources.keras import reader
from tests.unit.sources.keras.files import DATA, LAYERS, network_agrees


def test_batch_norm_keeps_its_momentum_and_epsilon() -> None:
    model = reader.read(DATA / "convolutions.keras")
    norms = [m for m in model.network.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    assert len(norms) == 3
    assert norms[0].momentum == pytest.approx(0.1) and norms[0].eps == 2e-3
    assert norms[1].momentum == pytest.approx(0.01) and norms[1].eps == 1e-3
    assert norms[2].weight is None


@pytest.mark.parametrize("name", LAYERS["normalization"])
def test_the_network_gives_what_keras_gave(name: str) -> None:
    network_agrees(name)
