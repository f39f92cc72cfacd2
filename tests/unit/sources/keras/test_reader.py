"""Every layer computes what Keras itself computed, from files that Keras wrote."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgekit.sources.keras import layers, reader, reference
from tests.unit.sources.keras.files import DATA, FILES, leaves, stored


def test_there_are_files_of_both_forms() -> None:
    assert sum(name.endswith(".keras") for name in FILES) >= 15
    assert sum(name.endswith(".h5") for name in FILES) >= 4


@pytest.mark.parametrize("name", FILES)
def test_the_network_gives_what_keras_gave(name: str) -> None:
    model = reader.read(DATA / name)
    inputs, outputs = stored(name)
    images = model.channels_last
    given = [torch.from_numpy(x) for x in inputs]
    given = [x.movedim(-1, 1) if images and x.ndim > 3 else x for x in given]
    assert [spec.shape for spec in model.inputs] == [tuple(x.shape[1:]) for x in given]
    with torch.no_grad():
        found = leaves(model.network(*given))
    found = [y.movedim(1, -1) if images and y.ndim > 3 else y for y in found]
    assert len(found) == len(outputs)
    for ours, theirs in zip(found, outputs, strict=True):
        assert ours.shape == theirs.shape
        assert np.ptp(theirs) > 1e-3
        assert np.abs(ours.numpy() - theirs).max() <= 1e-5 * np.ptp(theirs)


@pytest.mark.parametrize("name", FILES)
def test_the_definitions_give_what_keras_gave(name: str) -> None:
    model = reader.read(DATA / name)
    inputs, outputs = stored(name)
    found = reference.Walk(model.graph, model.weights, inputs).outputs()
    if isinstance(model.graph.outputs, dict):
        order = np.argsort(list(model.graph.outputs))
        found = [found[n] for n in order]
    for ours, theirs in zip(found, outputs, strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= 1e-5 * np.ptp(theirs)


def test_every_layer_that_is_read_is_defined() -> None:
    assert layers.kinds() - reference.kinds() <= {"CuDNNLSTM"}
    assert len(layers.kinds()) > 100


def test_batch_norm_keeps_its_momentum_and_epsilon() -> None:
    model = reader.read(DATA / "convolutions.keras")
    norms = [m for m in model.network.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    assert len(norms) == 3
    assert norms[0].momentum == pytest.approx(0.1) and norms[0].eps == 2e-3
    assert norms[1].momentum == pytest.approx(0.01) and norms[1].eps == 1e-3
    assert norms[2].weight is None


def test_shared_layers_have_their_weights_once() -> None:
    model = reader.read(DATA / "nested.keras")
    names = [name for name, _ in model.network.named_parameters()]
    assert "inner.conv2d.weight" in names and "block.depthwise_conv2d.weight" in names
    assert sum(name.startswith("conv2d_1.") for name in names) == 2
