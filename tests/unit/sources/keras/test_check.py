"""The program of a Keras file is held against the definitions of its layers."""

from __future__ import annotations

import pytest
import torch

from edgekit.errors import ModelError
from edgekit.sources.keras import check, load, reader
from tests.unit.sources.keras.files import DATA, source


def test_the_check_is_made_and_reported_and_outputs_keep_their_names() -> None:
    program = source("tokens.h5")
    [line] = program.remarks
    assert "at batch 1 and 3" in line and "definitions of its layers in NumPy" in line
    assert program.outputs == ("dense",)


def test_a_wrong_network_is_refused() -> None:
    made = load.load(DATA / "tokens.keras")
    model = reader.read(DATA / "tokens.keras")
    with torch.no_grad():
        made.module.get_parameter("conv1d.weight")[0, 0, 0] += 0.05
    with pytest.raises(ModelError, match=r"output 1 differs .* refused"):
        check.check(made, model, source="tokens.keras")
