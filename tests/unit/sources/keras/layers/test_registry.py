"""Layers that cannot be made are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.sources.keras.files import INPUT, listed, refused, sequential


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ({"class_name": "Lambda", "config": {"name": "l", "function": ["4wEAAAA", None, None]}},
         ("'l'", "Lambda", "never run")),
        ({"class_name": "Mine>Layer", "config": {"name": "m"}}, ("'m'", "author's own")),
        ({"class_name": "Sparkle", "config": {"name": "m"}}, ("'m'", "'Sparkle'", "not supported")),
        ({"class_name": "Activation", "config": {"name": "a", "activation": "mine"}},
         ("'a'", "'mine'")),
        ({"class_name": "Embedding", "config": {"name": "e", "mask_zero": True}},
         ("'e'", "mask_zero")),
        ({"class_name": "LSTM", "config": {"name": "r", "units": 2, "stateful": True}},
         ("'r'", "stateful")),
        ({"class_name": "Dense", "config": {"name": "d", "units": 2}}, ("'d'", "holds 0 weights")),
        ({"class_name": "Reshape", "config": {"name": "r", "target_shape": [3]}}, ("model.h5",)),
        ({"class_name": "RepeatVector", "config": {"name": "r", "n": 10**9}}, ("'r'", "numbers")),
    ],
    ids=lambda value: value["class_name"] if isinstance(value, dict) else "",
)  # fmt: skip
def test_layers_that_cannot_be_read_are_named(
    tmp_path: Path, layer: dict[str, Any], said: tuple[str, ...]
) -> None:
    name = layer["config"]["name"]
    path = listed(
        tmp_path / "model.h5", sequential(INPUT, layer), {"x": [], name: []}, "2.4.0"
    )
    refused(path, *said)
