"""A Keras model as a network of torch."""

from __future__ import annotations

import numpy as np
import torch

from edgekit.sources.keras import reader
from tests.unit.sources.keras.files import DATA, source, stored


def test_an_image_network_gives_images_channels_first() -> None:
    inputs, outputs = stored("transposed")
    program = source("transposed.keras")
    x = torch.from_numpy(inputs[0]).movedim(-1, 1)
    with torch.no_grad():
        found = program.module(x).numpy()
    assert found.shape[1] == 4
    assert np.allclose(np.moveaxis(found, 1, -1), outputs[0], atol=1e-4)


def test_shared_layers_have_their_weights_once() -> None:
    model = reader.read(DATA / "nested.keras")
    names = [name for name, _ in model.network.named_parameters()]
    assert "inner.conv2d.weight" in names and "block.depthwise_conv2d.weight" in names
    assert sum(name.startswith("conv2d_1.") for name in names) == 2
