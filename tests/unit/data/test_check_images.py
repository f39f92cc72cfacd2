"""Images of all data sets are looked at at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.data.check_images import check_images, image_notes
from edgekit.data.dataset import Dataset
from edgekit.errors import DataError
from edgekit.types.data_notes import ImagesConverted, ImagesStretched
from tests.unit.data.test_load import load


def folder(root: Path, name: str, *forms: tuple[str, tuple[int, int]]) -> Dataset:
    """Images of the modes and (width, height) given, read for an input of 6x4."""
    (root / name).mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    for number, (mode, size) in enumerate(forms):
        image = Image.fromarray(noise).resize(size).convert(mode)
        image.save(root / name / f"{number}.{'tif' if mode == 'CMYK' else 'png'}")
    return load(name, root)


def test_unreadable_images_of_every_set_are_named_together(tmp_path: Path) -> None:
    sets = [folder(tmp_path, name, *[("RGB", (6, 4))] * 4) for name in ("one", "two")]
    check_images(sets)
    for place in ("one/1.png", "two/0.png"):
        (tmp_path / place).write_bytes(b"")
    cut = tmp_path / "two/3.png"
    cut.write_bytes(cut.read_bytes()[:-30])
    with pytest.raises(DataError, match="Cannot read 3 images: ") as refused:
        check_images([load(name, tmp_path) for name in ("one", "two")])
    said = str(refused.value)
    assert all(place in said for place in ("one/1.png", "two/0.png", "two/3.png"))
    assert said.endswith("Replace or remove them.")


def test_of_many_unreadable_images_five_are_named(tmp_path: Path) -> None:
    folder(tmp_path, "one", *[("RGB", (6, 4))] * 9)
    for file in (tmp_path / "one").iterdir():
        file.write_bytes(b"none")
    with pytest.raises(DataError, match=r"9 images: .*; and 4 more"):
        check_images([load("one", tmp_path)])


def test_headers_of_sets_too_large_for_memory_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgekit.data.memory.MEMORY", 0)
    one = folder(tmp_path, "one", *[("RGB", (6, 4))] * 3)
    check_images([one])
    (tmp_path / "one/2.png").write_bytes(b"none")
    with pytest.raises(DataError, match=r"the image .*2\.png \(.*\)\. Replace"):
        check_images([one])


def test_what_is_done_to_images_is_noted(tmp_path: Path) -> None:
    forms = ("RGB", (6, 4)), ("RGBA", (6, 4)), ("CMYK", (12, 8)), ("L", (9, 8))
    one = folder(tmp_path, "one", *forms)
    check_images([one])
    converted = {"place": "train", "images": 1, "of": 4, "color": "rgb"}
    assert list(image_notes(one, "train")) == [
        ImagesStretched(
            place="train",
            images=2,
            of=4,
            smallest=(8, 9),
            largest=(8, 12),
            size=(4, 6),
        ),
        ImagesConverted(mode="RGBA", **converted),
        ImagesConverted(mode="CMYK", **converted),
    ]
    plain = folder(tmp_path, "two", ("RGB", (6, 4)))
    check_images([plain])
    assert not list(image_notes(plain, "train"))
