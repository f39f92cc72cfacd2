"""The author's network stays as it is while a copy of it is traced."""

from __future__ import annotations

import threading
import warnings

import pytest
import torch
from torch import Tensor, nn

from edgekit.errors import ModelError
from edgekit.program.program import trace
from edgekit.types import InputSpec

ROW = (InputSpec(shape=(6,)),)


def test_a_network_keeps_its_mode_and_its_weights() -> None:
    author = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Dropout())
    program = trace(author, ROW)
    assert author.training
    with torch.no_grad():
        program.module.get_parameter("0.weight").zero_()
    assert author[0].weight.abs().sum() > 0


def test_wrappers_are_taken_off() -> None:
    inner = nn.Sequential(nn.Linear(6, 4), nn.ReLU())
    wrapped = (
        nn.DataParallel(inner),
        torch.compile(inner),
        torch.optim.swa_utils.AveragedModel(inner),
    )
    for each in (*wrapped, torch.compile(nn.DataParallel(inner))):
        names = {name for name, _ in trace(each, ROW).module.named_parameters()}
        assert names == {"0.weight", "0.bias"}
    outer = nn.Sequential(torch.compile(inner), nn.Linear(4, 2))
    assert "0.0.weight" in dict(trace(outer, ROW).module.named_parameters())


def test_lazy_layers_get_their_widths() -> None:
    program = trace(nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(2)), ROW)
    assert program.module(torch.zeros(3, 6)).shape == (3, 2)


def test_what_has_no_code_or_no_values_is_refused() -> None:
    with pytest.raises(ModelError, match=r"layer 1 is TorchScript.*state dict"):
        trace(nn.Sequential(nn.Linear(6, 4), torch.jit.script(nn.Linear(4, 2))), ROW)
    exported = torch.export.export(nn.Linear(6, 4), (torch.zeros(2, 6),)).module()
    with pytest.raises(ModelError, match=r"The network is the module.*load that file"):
        trace(exported, ROW)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        network = nn.Sequential(nn.ReLU(), nn.Linear(6, 4))
        quantized = torch.ao.quantization.quantize_dynamic(network, {nn.Linear})
    with pytest.raises(ModelError, match=r"layer 1 is quantized by PyTorch \(Linear\)"):
        trace(quantized, ROW)
    with pytest.raises(ModelError, match=r"weight is on the meta device"):
        trace(nn.Linear(6, 4, device="meta"), ROW)


def test_hooks_of_the_copy_keep_their_values_in_the_copy() -> None:
    class Hooked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(6, 4)
            self.kept: dict[str, Tensor] = {}
            self.lock = threading.Lock()
            self.layer.register_forward_hook(
                lambda _module, _inputs, output: self.kept.update(out=output)
            )

        def forward(self, x: Tensor) -> Tensor:
            self.layer(x)
            return self.kept["out"] * 2

    author = Hooked()
    program = trace(author, ROW)
    assert not author.kept
    x = torch.randn(3, 6)
    torch.testing.assert_close(program.module(x), author(x))


@pytest.mark.parametrize("owned", [True, False])
def test_only_a_network_that_is_given_away_lends_its_tensors(owned: bool) -> None:
    network = nn.Linear(6, 3)
    traced = trace(network, ROW, owned=owned)
    [weight] = [p for p in traced.module.parameters() if p.ndim == 2]
    assert (weight.data_ptr() == network.weight.data_ptr()) == owned
