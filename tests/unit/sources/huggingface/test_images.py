"""The image processor of a folder as the preprocessing contract."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgekit.errors import ModelError
from edgekit.sources.huggingface.images import preprocess, size
from edgekit.types import Preprocess
from tests.unit.sources.huggingface.folders import write

PROCESSOR = {
    "do_normalize": True,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.3, 0.4],
    "resample": 3,
    "size": {"height": 16, "width": 16},
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)}),
        ({"do_normalize": False}, {}),
        ({"do_normalize": False, "do_rescale": False}, {"scale": 1.0}),
        ({"do_normalize": False, "rescale_factor": 1 / 127.5}, {"scale": 127.5}),
    ],
)
def test_the_processors_steps(
    tmp_path: Path, changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    write(tmp_path / "preprocessor_config.json", {**PROCESSOR, **changes})
    assert preprocess(tmp_path) == Preprocess(resize="bicubic", **expected)


@pytest.mark.parametrize(
    "changes",
    [{"image_std": [0, 1, 1]}, {"image_mean": "x"}, {"rescale_factor": 0}],
)
def test_values_that_no_processor_has(tmp_path: Path, changes: dict[str, Any]) -> None:
    write(tmp_path / "preprocessor_config.json", {**PROCESSOR, **changes})
    with pytest.raises(ModelError, match="an image processor"):
        preprocess(tmp_path)


def test_text_is_not_preprocessed_as_pixels(tmp_path: Path) -> None:
    write(tmp_path / "config.json", {"model_type": "bert", "vocab_size": 9})
    assert preprocess(tmp_path) == Preprocess(scale=1.0)


@pytest.mark.parametrize(
    ("found", "own", "expected"),
    [
        ({"size": {"height": 8, "width": 12}}, 4, (8, 12)),
        (
            {"size": {"shortest_edge": 9}, "crop_size": {"height": 7, "width": 7}},
            4,
            (7, 7),
        ),
        ({"size": 9, "crop_size": 7, "do_center_crop": False}, 4, (9, 9)),
        ({}, [5, 6], (5, 6)),
        ({"size": {"longest_edge": 9}}, None, (224, 224)),
        ({"size": {"height": -1, "width": 10**9}}, 5, (5, 5)),
    ],
)
def test_the_size_of_images(
    found: dict[str, Any], own: Any, expected: tuple[int, int]
) -> None:
    assert size(found, SimpleNamespace(image_size=own)) == expected
