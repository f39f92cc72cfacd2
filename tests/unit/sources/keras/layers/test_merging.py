"""Layers that merge others compute what Keras computed."""

from __future__ import annotations

import pytest

from tests.unit.sources.keras.files import LAYERS, network_agrees


@pytest.mark.parametrize("name", LAYERS["merging"])
def test_the_network_gives_what_keras_gave(name: str) -> None:
    network_agrees(name)
