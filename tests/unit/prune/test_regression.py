"""Weights by least squares, against the layers of torch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from edgekit.prune.regression import Window, refit

LAYERS: dict[str, tuple[nn.Module, Window, tuple[int, ...]]] = {
    "linear": (nn.Linear(6, 4), Window(), (200, 6)),
    "linear over a sequence": (nn.Linear(6, 4), Window(), (40, 5, 6)),
    "conv2d": (
        nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
        Window(size=(3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
        (32, 3, 9, 8),
    ),
    "conv1d": (
        nn.Conv1d(3, 4, 5, stride=2, padding=2),
        Window(size=(5,), stride=(2,), padding=(2,), dilation=(1,)),
        (64, 3, 20),
    ),
}


def samples(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_found_from_what_it_reads_and_writes(name: str) -> None:
    torch.manual_seed(0)
    layer, window, shape = LAYERS[name]
    layer.reset_parameters()
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    inputs = samples(*shape) + 1.0
    with torch.no_grad():
        target = layer(inputs)
        layer.weight.mul_(0.5).add_(0.1 * samples(*weight.shape, seed=1))
        layer.bias.add_(0.3)
        before = (layer(inputs) - target).square().mean()
        found = refit(
            layer.weight, window, inputs, target, bias=layer.bias, shifted=True
        )
        assert found is not None
        layer.weight += found[0]
        layer.bias += found[1]
        after = (layer(inputs) - target).square().mean()
    assert after < 0.001 * before
    assert torch.allclose(layer.weight, weight, atol=0.05)
    assert torch.allclose(layer.bias, bias, atol=0.1)


def test_without_a_bias_nothing_is_shifted() -> None:
    torch.manual_seed(0)
    layer, inputs = nn.Linear(6, 4, bias=False), samples(200, 6) + 1.0
    with torch.no_grad():
        target = layer(inputs) + 3.0
        found = refit(layer.weight, Window(), inputs, target, bias=None, shifted=False)
    assert found is not None
    assert not found[1].any()


def test_too_few_rows_and_nothing_to_mend_change_nothing() -> None:
    torch.manual_seed(0)
    layer, inputs = nn.Linear(6, 4), samples(200, 6)
    with torch.no_grad():
        weight, bias, target = layer.weight, layer.bias, layer(inputs)
        options = {"bias": bias, "shifted": True}
        assert refit(weight, Window(), inputs, target, **options) is None
        few = refit(weight, Window(), inputs[:11], target[:11] + 1, **options)
        enough = refit(weight, Window(), inputs[:12], target[:12] + 1, **options)
    assert few is None
    assert enough is not None


def test_of_many_rows_a_part_states_the_same() -> None:
    torch.manual_seed(0)
    layer, inputs = nn.Conv2d(2, 3, 3, padding=1), samples(64, 2, 32, 32)
    window = Window(size=(3, 3), stride=(1, 1), padding=(1, 1), dilation=(1, 1))
    with torch.no_grad():
        target = layer(inputs)
        found = refit(
            torch.zeros_like(layer.weight),
            window, inputs, target, bias=torch.zeros(3), shifted=True,
        )  # fmt: skip
    assert found is not None
    assert torch.allclose(found[0], layer.weight, atol=0.02)
