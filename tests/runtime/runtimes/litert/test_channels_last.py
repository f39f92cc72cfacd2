"""Files of images without transpositions, and with the outputs of the network."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.program.program import trace
from edgekit.runtimes.litert import exporter, operators
from edgekit.runtimes.litert.quantizer import plain_interpreter
from edgekit.types import InputSpec


class Network(nn.Module):
    """Channels last, as a network from TensorFlow is: "same" padding where a stride halves."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2)
        self.second = nn.Conv2d(8, 8, 3, stride=2, groups=8)
        self.third = nn.Conv2d(8, 8, 3)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 3, 1, 2)
        x = F.elu(self.first(F.pad(x, (0, 1, 0, 1))))
        x = self.second(F.pad(x, (0, 1, 0, 1)))
        x = F.normalize(x, dim=1) + x.amin(1, keepdim=True)
        x = self.third(F.pad(x, (1, 0, 2, 1), value=0.5))
        return self.head(x.mean((2, 3)) + x.sum((3, 2)))


class Uneven(nn.Module):
    """A convolution whose input is padded by `pads` (left, right, top, bottom)."""

    def __init__(self, convolution: nn.Conv2d, pads: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.convolution, self.pads = convolution, pads

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(F.pad(x, self.pads))


class Branches(nn.Module):
    """A map that two convolutions read, one of them padded, and that is added again."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.long = Uneven(nn.Conv2d(4, 4, 3, 2), (0, 1, 0, 1))
        self.short = nn.Conv2d(4, 4, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        return self.long(x) + self.short(x)


def kinds(network: nn.Module, shape: tuple[int, ...], folder: Path) -> Counter[str]:
    """The operators of the network's file, which gives what the network gives."""
    torch.manual_seed(0)
    program = trace(network.eval(), (InputSpec(shape=shape),))
    path = folder / "model.tflite"
    exporter.convert(program, path)
    x = torch.randn(1, *shape)
    interpreter = plain_interpreter(path.read_bytes())
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x.numpy())
    interpreter.invoke()
    [given] = interpreter.get_output_details()
    found = interpreter.get_tensor(given["index"])
    with torch.no_grad():
        np.testing.assert_allclose(found, network(x).numpy(), atol=1e-5)
    return Counter(operator.kind for operator in operators.read(path))


def test_images_stay_channels_last(tmp_path: Path) -> None:
    found = kinds(Network(), (16, 16, 3), tmp_path)
    assert "TRANSPOSE" not in found
    # "Same" padding is the convolution's own; other amounts and values are not.
    assert found["PAD"] + found["PADV2"] == 1


@pytest.mark.parametrize(
    ("convolution", "pads", "size"),
    [
        (nn.Conv2d(3, 4, 3, 2), (0, 1, 0, 1), (8, 8)),
        (nn.Conv2d(4, 4, 3, 2, groups=4), (0, 1, 0, 1), (8, 8)),
        (nn.Conv2d(1, 4, (5, 4), 2), (1, 1, 2, 2), (9, 6)),
        (nn.Conv2d(3, 4, 4), (1, 2, 1, 2), (7, 5)),
        (nn.Conv2d(3, 4, 3, dilation=2), (2, 2, 2, 2), (7, 5)),
    ],
)
def test_what_same_adds_is_left_to_the_convolution(
    convolution: nn.Conv2d,
    pads: tuple[int, int, int, int],
    size: tuple[int, int],
    tmp_path: Path,
) -> None:
    channels = convolution.in_channels
    first = nn.Conv2d(3, channels, 1)
    network = nn.Sequential(first, nn.ReLU(), Uneven(convolution, pads))
    found = kinds(network, (3, *size), tmp_path)
    assert "PAD" not in found
    assert sum(found.values()) == 4, "two convolutions, and a transpose at each end"


@pytest.mark.parametrize("pads", [(1, 0, 1, 0), (1, 1, 1, 1)])
def test_other_padding_stays(pads: tuple[int, int, int, int], tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), Uneven(nn.Conv2d(4, 4, 3, 2), pads))
    assert kinds(network, (3, 8, 8), tmp_path)["PAD"] == 1


def test_a_map_with_another_reader_is_taken_where_it_is(tmp_path: Path) -> None:
    found = kinds(Branches(), (3, 8, 8), tmp_path)
    assert found["CONV_2D"] == 3 and "PAD" not in found
    assert found["TRANSPOSE"] == 2, "at the input and at the output"


def test_a_padded_output_is_kept(tmp_path: Path) -> None:
    class Both(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.pad(x.relu(), (0, 1, 0, 1))

    assert kinds(Both(), (3, 8, 8), tmp_path)["PAD"] == 1


def test_the_file_is_quantized(tmp_path: Path) -> None:
    """Calibration reads every tensor of a file: what vanished has none."""
    shape = (3, 8, 8)
    kinds(Branches(), shape, tmp_path)
    x = np.random.default_rng(0).normal(size=(8, 1, *shape)).astype("f4")
    path = tmp_path / "model.tflite"
    inputs, _ = exporter.signature(path)
    samples = [{inputs[0].name: each} for each in x]
    quantizer = exporter.quantizer(path, inputs, samples, tmp_path)
    out = tmp_path / "int8.tflite"
    quantizer.quantize("int8", quantizer.first("int8"), out)
    found = Counter(operator.kind for operator in operators.read(out))
    assert found["CONV_2D"] == 3 and "PAD" not in found


def test_indices_of_images_are_right(tmp_path: Path) -> None:
    """The converter's rules for them mix up dimensions channels last."""

    class Reordered(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 5, 3), nn.Conv2d(5, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            order = torch.arange(4, -1, -1).reshape(1, 5, 1, 1).expand_as(x)
            x = torch.zeros_like(x).scatter(1, order, x) + 2 * x.gather(1, order)
            return self.second(x)

    kinds(Reordered(), (3, 9, 8), tmp_path)
