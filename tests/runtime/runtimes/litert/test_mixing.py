"""Operators of a network in float and in int8, each as a file that runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.program.program import trace
from edgekit.runtimes.litert import exporter, mixing
from edgekit.runtimes.mixed_precision import Material, choose
from edgekit.runtimes.protocol import calibration_samples
from edgekit.types import InputSpec, QuantConfig


def material_of(activation: nn.Module, place: Path) -> Material:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        activation,
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8),
        activation,
        nn.Flatten(),
        nn.Linear(8 * 16, 4),
    )
    program = trace(module, (InputSpec(shape=(3, 16, 16), name="x"),))
    fp32, int8 = place / "fp32.tflite", place / "int8.tflite"
    exporter.convert(program, fp32)
    inputs, _ = exporter.signature(fp32)
    images = np.random.default_rng(0).standard_normal((8, 3, 16, 16), np.float32)
    samples = calibration_samples((images,), inputs)
    quantizer = exporter.quantizer(fp32, inputs, samples, place)
    quantizer.quantize("int8", QuantConfig(), int8)
    found = mixing.material(fp32, int8, place)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return material_of(nn.Hardswish(), tmp_path_factory.mktemp("hard"))


def test_operators_that_the_delegate_refuses_stay_in_float(hard: Material) -> None:
    refused = [
        step.kind
        for step in hard.steps
        if step.in_int8 is not None and not mixing.delegated(step.in_int8)
    ]
    assert refused == ["HARD_SWISH", "HARD_SWISH"]
    times = mixing.guess(hard)
    assert times is not None and times.keys() == set(hard.files())
    found = choose(hard, times)
    [slow] = found.slow
    assert (slow.kind, slow.count) == ("HARD_SWISH", 2)
    assert len(found.in_float) == 2


def test_padding_is_timed_with_its_convolution(hard: Material) -> None:
    kinds = [step.kind for step in hard.steps]
    assert "PAD" not in kinds
    padded = [step for step in hard.steps if len(step.names) == 2]
    assert [step.kind for step in padded] == ["CONV_2D", "DEPTHWISE_CONV_2D"]
    assert all(step.takes and set(step.takes) <= hard.sizes.keys() for step in padded)


def test_nothing_is_left_in_float_where_the_delegate_takes_all(hard: Material) -> None:
    taken = tuple(step for step in hard.steps if step.kind != "HARD_SWISH")
    assert mixing.guess(replace(hard, steps=taken)) is None


def test_files_of_other_operators_are_not_compared(
    hard: Material, tmp_path: Path
) -> None:
    one, other = hard.steps[0].in_float, hard.steps[1].in_float
    assert mixing.material(one, other, tmp_path) is None


def test_an_operator_that_does_not_load_alone_is_not_called_slow(
    tmp_path: Path,
) -> None:
    path = tmp_path / "odd.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(64))
    assert mixing.delegated(path)
