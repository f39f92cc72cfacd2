"""From bytes to the network's input: one contract for training and for the device."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgekit.agent.errors import AgentError
from edgekit.agent.serving.decode import decode, decode_named
from edgekit.data.preprocess import preprocess
from edgekit.types import Preprocess

CONTRACT: dict[str, Any] = {
    "scale": 255.0,
    "mean": [0.1, 0.2, 0.3],
    "std": [0.5, 0.6, 0.7],
    "color": None,
    "resize": "bilinear",
}


def encoded(
    mode: str = "RGB", size: tuple[int, int] = (6, 5), kind: str = "png"
) -> bytes:
    generator = np.random.default_rng(0)
    values = generator.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).convert(mode).save(file, kind)
    return file.getvalue()


def test_an_image_is_preprocessed_as_in_training() -> None:
    content = encoded()
    found = decode(content, "a", (3, 5, 6), CONTRACT)
    raw = np.asarray(Image.open(io.BytesIO(content))).transpose(2, 0, 1)[None]
    spec = Preprocess(scale=255.0, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, preprocess(raw, spec))


def test_bgr_turns_the_channels_round() -> None:
    plain = {**CONTRACT, "mean": [0.0], "std": [1.0]}
    rgb = decode(encoded(), "a", (3, 5, 6), plain)
    bgr = decode(encoded(), "a", (3, 5, 6), {**plain, "color": "bgr"})
    np.testing.assert_array_equal(bgr, rgb[:, ::-1])


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "RGBA", "1"])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_kind_of_image_is_brought_to_the_input(mode: str, channels: int) -> None:
    contract = {**CONTRACT, "mean": [0.0], "std": [1.0]}
    found = decode(encoded(mode, (9, 7)), "a", (channels, 4, 4), contract)
    assert found.shape == (1, channels, 4, 4)
    assert found.min() >= 0 and found.max() <= 1


def test_jpeg_is_read() -> None:
    assert decode(encoded(kind="jpeg"), "a", (3, 5, 6), CONTRACT).shape == (1, 3, 5, 6)


def test_an_array_is_one_sample_or_many() -> None:
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2)
    file = io.BytesIO()
    np.save(file, values)
    assert decode(file.getvalue(), "a", (3, 2, 2), CONTRACT).shape == (2, 3, 2, 2)
    one = io.BytesIO()
    np.save(one, values[0])
    assert decode(one.getvalue(), "a", (3, 2, 2), CONTRACT).shape == (1, 3, 2, 2)


@pytest.mark.parametrize(
    ("content", "shape", "words"),
    [
        (b"", (3, 5, 6), "b.png is empty"),
        (b"\x89PNG\r\n\x1a\n", (3, 5, 6), "Cannot read b.png as an image"),
        (encoded()[:-40], (3, 5, 6), "Cannot read b.png as an image"),
        (encoded(), (5,), "An image does not fit the input"),
        (encoded(), (4, 5, 6), "An image does not fit the input"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    content: bytes, shape: tuple[int, ...], words: str
) -> None:
    with pytest.raises(AgentError, match=words):
        decode(content, "b.png", shape, CONTRACT)


@pytest.mark.parametrize("side", [9000, 30000])
def test_a_small_file_of_a_huge_image_is_refused(side: int) -> None:
    """Pillow itself only warns of the first, and unpacks it."""
    file = io.BytesIO()
    Image.new("1", (side, 8)).save(file, "PNG")
    content = bytearray(file.getvalue())
    content[20:24] = side.to_bytes(4, "big")  # the height
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    with pytest.raises(AgentError, match="pixels") as refused:
        decode(bytes(content), "bomb.png", (1, 8, 8), CONTRACT)
    assert "bomb.png" in refused.value.message


ROWS = {"scale": 2.0, "mean": [0.0], "std": [1.0], "color": None, "resize": "bilinear"}
NAMED = {"image": ((3, 2, 2), CONTRACT), "rows": ((4,), ROWS)}


def archive(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def test_several_inputs_come_by_name_each_prepared_its_own_way() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2)
    rows = np.ones((2, 4))
    found = decode_named(archive(rows=rows, image=image), "a.npz", NAMED)
    spec = Preprocess(mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    np.testing.assert_allclose(found[0], preprocess(image, spec), rtol=1e-6)
    np.testing.assert_array_equal(found[1], rows / 2)
    one = decode_named(archive(rows=rows[0], image=image[0]), "a.npz", NAMED)
    assert [x.shape for x in one] == [(1, 3, 2, 2), (1, 4)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            archive(image=np.zeros((3, 2, 2))),
            "holds image; the model takes image, rows",
        ),
        (
            archive(image=np.zeros((3, 2, 2)), line=np.zeros(4)),
            "holds image, line; the model takes image, rows",
        ),
        (
            archive(image=np.zeros((3, 2, 2)), rows=np.zeros(5)),
            r"a.npz: rows has shape \[5\]; the model takes \[4\]",
        ),
        (
            archive(image=np.zeros((2, 3, 2, 2)), rows=np.zeros((3, 4))),
            "different numbers of samples",
        ),
        (
            archive(image=np.zeros((3, 2, 2)), rows=np.array(["a"] * 4)),
            "not numbers",
        ),
        (b"PK\x03\x04 cut short", "Cannot read a.npz"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_by_name(
    content: bytes, message: str
) -> None:
    with pytest.raises(AgentError, match=message) as refused:
        decode_named(content, "a.npz", NAMED)
    assert "\n" not in refused.value.message
