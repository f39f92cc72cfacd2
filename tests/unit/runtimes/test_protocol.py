"""Shared parts of every exporter: names, layouts and calibration samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.errors import ArtifactError
from edgekit.program.program import Program, trace
from edgekit.runtimes import protocol
from edgekit.types import InputSpec, TensorSpec

IMAGE = TensorSpec(name="x", shape=(1, 3, 4, 5), dtype="float32", layout="NCHW")


class Sum(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a + b


@pytest.fixture
def program() -> Program:
    return trace(
        Sum(), (InputSpec(shape=(3,), name="x"), InputSpec(shape=(3,), name="x"))
    )


def test_names_that_are_the_same_are_numbered(program: Program) -> None:
    assert protocol.input_names(program) == ["x_0", "x_1"]
    assert protocol.output_names(program, 1) == ["output"]
    assert protocol.output_names(program, 2) == ["output_0", "output_1"]
    named = replace(program, outputs=("sum",))
    assert protocol.output_names(named, 1) == ["sum"]
    clashing = replace(program, outputs=("x_0",))
    assert protocol.output_names(clashing, 1) == ["output"]
    several = replace(program, outputs=("x_0", "sum"))
    assert protocol.output_names(several, 2) == ["x_0_output", "sum"]
    twice = replace(program, outputs=("x_0", "x_0_output"))
    assert protocol.output_names(twice, 2) == ["output_0", "output_1"]


def test_samples_are_fed_one_by_one_as_the_file_takes_them() -> None:
    samples = np.arange(120, dtype=np.float64).reshape(2, 3, 4, 5)
    first, second = protocol.calibration_samples((samples,), (IMAGE,))
    assert first["x"].dtype == np.float32 and first["x"].shape == (1, 3, 4, 5)
    np.testing.assert_array_equal(second["x"][0], samples[1])
    turned = replace(IMAGE, shape=(1, 4, 5, 3), layout="NHWC")
    lazy = protocol.calibration_samples((samples,), (turned,))
    assert len(lazy) == 2 and len(lazy[1:]) == 1
    np.testing.assert_array_equal(lazy[1:][0]["x"], lazy[-1]["x"])
    with pytest.raises(IndexError):
        lazy[2]
    _, second = lazy
    np.testing.assert_array_equal(second["x"][0], samples[1].transpose(1, 2, 0))


def test_samples_take_no_memory_of_their_own_where_they_are_in_order() -> None:
    samples = np.zeros((2, 3, 4, 5), np.float32)
    for n, sample in enumerate(protocol.calibration_samples((samples,), (IMAGE,))):
        assert np.shares_memory(sample["x"], samples[n])


@pytest.mark.parametrize(
    ("samples", "inputs", "words"),
    [
        (np.zeros((2, 3, 4, 4)), (IMAGE,), r"takes \(n, 3, 4, 5\)"),
        (np.zeros((0, 3, 4, 5)), (IMAGE,), "have shape"),
        (np.zeros((2, 3, 4, 5)), (IMAGE, IMAGE), "this one has 2"),
    ],
)
def test_samples_that_do_not_fit_are_refused(
    samples: np.ndarray, inputs: tuple[TensorSpec, ...], words: str
) -> None:
    with pytest.raises(ArtifactError, match=words):
        protocol.calibration_samples((samples,), inputs)


def test_images_have_a_layout_and_vectors_none() -> None:
    assert (protocol.layout((1, 3, 4, 5)), protocol.layout((1, 3))) == ("NCHW", None)
    vector = TensorSpec(name="y", shape=(1, 7), dtype="float32")
    inputs, outputs = protocol.channels_last(((IMAGE, vector), (vector,)))
    assert [spec.layout for spec in (*inputs, *outputs)] == ["NHWC", None, None]
