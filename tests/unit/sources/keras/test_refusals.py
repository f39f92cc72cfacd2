"""An unreadable Keras file is refused in one line, and nothing in it is run."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from edgekit.errors import ModelError
from edgekit.sources.keras.load import load
from tests.unit.sources.keras.files import DATA, listed


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}}


def refused(path: Path, *said: str) -> None:
    with pytest.raises(ModelError) as error:
        load(path)
    message = str(error.value)
    assert "\n" not in message
    assert all(part in message for part in said), message


INPUT = {
    "class_name": "InputLayer",
    "config": {"name": "x", "batch_input_shape": [None, 4]},
}


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


def test_weights_alone_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["dense/kernel:0"] = np.zeros(3)
    refused(tmp_path / "w.h5", "weights without their network", "model.save")


def _soft(file: Any, secret: Path) -> None:
    file["model_weights/d"] = h5py.SoftLink("/elsewhere")


def _external(file: Any, secret: Path) -> None:
    file["model_weights/d"] = h5py.ExternalLink(str(secret), "/")


def _outside(file: Any, secret: Path) -> None:
    file.create_dataset("d", (4,), "f4", external=[(str(secret), 0, 16)])


def _bomb(file: Any, secret: Path) -> None:
    file.create_dataset("d", (1 << 40,), "f4", chunks=(1 << 20,), compression="gzip")


def _objects(file: Any, secret: Path) -> None:
    file.create_dataset("d", (2,), h5py.string_dtype())


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (_soft, "link"),
        (_external, "link"),
        (_outside, "another file"),
        (_bomb, "memory"),
        (_objects, "not numbers"),
    ],
)
def test_nothing_outside_the_file_is_read_and_nothing_unpacks_without_bound(
    tmp_path: Path, plant: Callable[[Any, Path], None], said: str
) -> None:
    path = listed(tmp_path / "model.h5", sequential(INPUT), {"x": []}, "2.4.0")
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(64))
    with h5py.File(path, "a") as file:
        plant(file, secret)
    refused(path, said)


def test_a_cut_or_empty_file_is_refused(tmp_path: Path) -> None:
    for name in ("tokens.keras", "tokens.h5"):
        content = (DATA / name).read_bytes()
        for size in (0, 40, len(content) // 2):
            path = tmp_path / name
            path.write_bytes(content[:size])
            refused(path, name)


def test_code_named_in_an_archive_is_not_imported(tmp_path: Path) -> None:
    path = tmp_path / "evil.keras"
    with (
        zipfile.ZipFile(DATA / "tokens.keras") as sound,
        zipfile.ZipFile(path, "w") as made,
    ):
        for name in sound.namelist():
            content = sound.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["layers"][1].update(
                    module="antigravity", registered_name="antigravity>Layer"
                )
                content = json.dumps(config).encode()
            made.writestr(name, content)
    refused(path, "author's own class")


def test_sizes_that_the_file_leaves_free_are_requested(tmp_path: Path) -> None:
    free = {
        "class_name": "InputLayer",
        "config": {"name": "x", "batch_input_shape": [None, None]},
    }
    path = listed(tmp_path / "free.h5", sequential(free), {"x": []}, "2.4.0")
    refused(path, "'x'", "leaves sizes free", "[model] input")
