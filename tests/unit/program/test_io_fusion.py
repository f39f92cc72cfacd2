"""Steps around a network compute the application's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.data import predictions, preprocess
from edgekit.program.io_fusion import channels_last, folded
from edgekit.program.program import Program, trace
from edgekit.types import InputSpec, IOFusion, Preprocess

HOW = Preprocess(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.25))
RAW = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), np.uint8)


@pytest.fixture(scope="module")
def network() -> Program:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Flatten(), nn.Linear(216, 4)
    return trace(nn.Sequential(*layers), (InputSpec(shape=(3, 8, 8)),))


def answered(program: Program, given: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return program.module(torch.from_numpy(given)).numpy()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_raw_values_are_prepared_inside(network: Program, dtype: str) -> None:
    whole = folded(network, IOFusion(preprocess=HOW, dtype=dtype))  # type: ignore[arg-type]
    assert whole.dtypes == (getattr(torch, dtype),)
    expected = answered(network, preprocess(RAW, HOW))
    np.testing.assert_allclose(
        answered(whole, RAW.astype(dtype)), expected, atol=1e-5 * np.abs(expected).max()
    )


def test_one_mean_is_for_all_channels(network: Program) -> None:
    how = Preprocess(mean=(0.5,), std=(0.25,))
    whole = folded(network, IOFusion(preprocess=how, dtype="uint8"))
    expected = answered(network, preprocess(RAW, how))
    np.testing.assert_allclose(answered(whole, RAW), expected, atol=1e-5)


@pytest.mark.parametrize("what", ["softmax", "argmax"])
def test_logits_are_decided_inside_and_metrics_take_what_comes(
    network: Program, what: str
) -> None:
    how = IOFusion(postprocess=what, axis=1, classes=4)  # type: ignore[arg-type]
    given = preprocess(RAW, HOW)
    logits = answered(network, given)
    found = answered(folded(network, how), given)
    assert found.shape == ((5, 4) if what == "softmax" else (5,))
    as_scores = predictions.scores(found, how)
    np.testing.assert_allclose(predictions.expected(logits, how), as_scores, atol=1e-6)
    back = predictions.logits(as_scores, how)
    assert (back.argmax(1) == logits.argmax(1)).all()


def test_maps_of_class_numbers_get_scores_in_their_own_dimension() -> None:
    how = IOFusion(postprocess="argmax", axis=1, classes=3)
    numbers = np.random.default_rng(0).integers(0, 3, (2, 5, 6))
    found = predictions.scores(numbers.astype(np.float32), how)
    assert found.shape == (2, 3, 5, 6)
    assert (found.argmax(1) == numbers).all() and (found.sum(1) == 1).all()


def test_nothing_folded_is_the_network_itself(network: Program) -> None:
    assert folded(network, IOFusion()) is network


class Both(nn.Module):
    """An image beside numbers, by which its channels are scaled."""

    def forward(self, meta: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        return image * meta[:, :, None, None]


def test_channels_last_turns_the_images_of_several_inputs() -> None:
    specs = (
        InputSpec(name="meta", shape=(3,)),
        InputSpec(name="image", shape=(3, 4, 5)),
    )
    network = trace(Both(), specs)
    turned = channels_last(network)
    assert [(one.name, one.shape) for one in turned.inputs] == [
        ("meta", (3,)),
        ("image", (4, 5, 3)),
    ]
    meta, image = torch.randn(2, 3), torch.randn(2, 3, 4, 5)
    found = turned.module(meta, image.permute(0, 2, 3, 1).contiguous())
    torch.testing.assert_close(found, network.module(meta, image))


def test_channels_last_takes_images_turned(network: Program) -> None:
    turned = channels_last(network)
    assert turned.inputs[0].shape == (8, 8, 3)
    given = preprocess(RAW, HOW)
    last = np.ascontiguousarray(given.transpose(0, 2, 3, 1))
    np.testing.assert_allclose(
        answered(turned, last), answered(network, given), atol=1e-5
    )


class Named(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        y = self.network(x)
        return {"aux": 2 * y, "out": y}


def test_of_several_outputs_only_the_one_that_is_read_is_decided() -> None:
    torch.manual_seed(0)
    program = trace(Named(nn.Conv2d(3, 4, 1)), (InputSpec(shape=(3, 8, 8)),))
    how = IOFusion(preprocess=HOW, dtype="uint8", postprocess="argmax", classes=4)
    whole = channels_last(folded(replace(program, reads=(1,)), how))
    assert (whole.outputs, whole.reads) == (("aux", "out"), (1,))
    expected = program.module(torch.from_numpy(preprocess(RAW, HOW)))
    found = whole.module(torch.from_numpy(RAW.transpose(0, 2, 3, 1).copy()))
    assert list(found) == ["aux", "out"]
    torch.testing.assert_close(found["aux"], expected["aux"], atol=1e-4, rtol=1e-4)
    assert torch.equal(found["out"], expected["out"].argmax(1).to(torch.int32))
