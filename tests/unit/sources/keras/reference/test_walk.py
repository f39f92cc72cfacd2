"""A model's outputs by the definitions of its layers are Keras's."""

from __future__ import annotations

import pytest

from edgekit.sources.keras import layers, reference
from tests.unit.sources.keras.files import DEFINITIONS, definitions_agree


def test_every_layer_that_is_read_is_defined() -> None:
    assert layers.kinds() - reference.kinds() <= {"CuDNNLSTM"}
    assert len(layers.kinds()) > 100


@pytest.mark.parametrize("name", DEFINITIONS["walk"])
def test_the_definitions_give_what_keras_gave(name: str) -> None:
    definitions_agree(name)
