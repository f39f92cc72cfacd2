"""The program of a TFLite file is held against LiteRT."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgekit.errors import ModelError
from edgekit.sources.tflite import check, file, load
from tests.runtime.sources.tflite.models import DATA


def test_whole_numbers_are_said_to_be_dequantized() -> None:
    program = load.load(DATA / "net-int8.tflite")
    said = " ".join(program.remarks)
    assert "every number dequantized at batch 1 and 3" in said
    assert "own outputs are" in said
    assert len(program.outputs) == 1


def test_a_wrong_network_is_refused() -> None:
    path = DATA / "net-fp32.tflite"
    made = load.load(path)
    with torch.no_grad():
        next(made.module.parameters()).view(-1)[0] += 0.5
    with pytest.raises(ModelError, match="differs from LiteRT"):
        check.check(made, load.network(file.read(path)), path)


def test_samples_for_inputs_of_eight_bits_fill_their_range() -> None:
    def made(kind: str, zero: int) -> file.Tensor:
        given = file.Quantized(scale=np.array([0.5]), zero=np.array([zero]), axis=0)
        return file.Tensor(
            name="x",
            shape=(1, 4),
            kind=kind,
            data=None,
            quantized=given,
            variable=False,
        )

    x = torch.tensor([-1.0, 0.0, 1.0])
    for kind, zero, middle in (("UINT8", 0, 127.5), ("INT8", 3, -0.5)):
        found = check._within(x, made(kind, zero)) / 0.5 + zero
        assert torch.allclose(found, middle + 40 * x)
