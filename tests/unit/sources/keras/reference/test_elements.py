"""Definitions of dense layers, normalizations and merges give what Keras gave."""

from __future__ import annotations

import pytest

from tests.unit.sources.keras.files import DEFINITIONS, definitions_agree


@pytest.mark.parametrize("name", DEFINITIONS["elements"])
def test_the_definitions_give_what_keras_gave(name: str) -> None:
    definitions_agree(name)
