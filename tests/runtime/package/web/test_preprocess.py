"""Preprocessing in a page equals that of training, bit for bit: by Pillow and numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgekit.agent.arrays import dequantize, quantize
from edgekit.agent.serving.decode import normalize, pixels
from edgekit.agent.session import Quantization, TensorInfo
from edgekit.package.web import packaging
from tests.runtime.package.web.conftest import Script

PREPROCESS = packaging._ASSETS / "preprocess.js"
SIZES = (
    (8, 8),
    (5, 31),
    (64, 48),
    (7, 3),
    (1, 1),
    (40, 8),
    (9, 40),
    (30, 13),
    (24, 55),
)
WRITE = """
import {{ readFileSync, writeFileSync }} from "node:fs";
import * as code from {module};
const read = (name, type) => new type(new Uint8Array(readFileSync(name)).buffer);
const write = (name, array) =>
  writeFileSync(name, new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
"""


def head(folder: Path) -> str:
    copy = folder / "preprocess.mjs"
    copy.write_bytes(PREPROCESS.read_bytes())
    return WRITE.format(module='"./preprocess.mjs"')


@pytest.mark.parametrize("resize", ["bilinear", "bicubic", "nearest"])
def test_images_of_any_size_become_the_same_numbers(
    tmp_path: Path, script: Script, resize: str
) -> None:
    random = np.random.default_rng(3)
    lines, expected = [head(tmp_path)], []
    for color in ("rgb", "bgr", "gray", None):
        channels = 1 if color == "gray" else 3
        mean, std = [0.3, 0.7, 0.15][:channels], [0.4, 0.41, 0.2][:channels]
        how = {
            "scale": 250.0,
            "mean": mean,
            "std": std,
            "color": color,
            "resize": resize,
        }
        shape = (channels, 13, 9)
        for width, height in SIZES:
            raw = random.integers(0, 256, (height, width, 3), np.uint8)
            whole = np.dstack([raw, np.full((height, width), 255, np.uint8)])
            file = f"{tmp_path}/{len(expected)}"
            whole.tofile(f"{file}.in")
            lines.append(
                f"{{ const how = {js(how)}; const values = code.pixels({{ width: {width}, "
                f'height: {height}, data: read("{file}.in", Uint8ClampedArray) }}, '
                f"{list(shape)}, how); "
                f'write("{file}.out", code.normalize(values, {channels}, how)); }}'
            )
            values = pixels(Image.fromarray(raw), shape, color or "rgb", resize)
            expected.append(normalize(values[None], 250.0, mean, std)[0])
    script(tmp_path, "\n".join([*lines, 'console.log("1")']))
    for number, want in enumerate(expected):
        found = np.fromfile(tmp_path / f"{number}.out", np.float32)
        np.testing.assert_array_equal(found, want.ravel())


def js(value: Any) -> str:
    import json

    return json.dumps(value)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_numbers_are_stored_and_read_as_the_device_does(
    tmp_path: Path, script: Script, dtype: str
) -> None:
    scale, zero = 0.0235294122248888, 3
    info = TensorInfo("x", (1, 4000), dtype, Quantization(scale, zero))
    values = np.random.default_rng(1).normal(0, 3, 4000).astype(np.float32)
    values[:200] = (np.arange(200) - 100.5) * np.float32(scale)  # halves
    values.tofile(tmp_path / "in")
    described = {"dtype": dtype, "quantization": {"scale": scale, "zero_point": zero}}
    code = f"""{head(tmp_path)}
const info = {js(described)};
const stored = code.stored(read("{tmp_path}/in", Float32Array), info);
write("{tmp_path}/stored", stored);
write("{tmp_path}/real", code.real(stored, info));
console.log(1)"""
    script(tmp_path, code)
    stored = quantize(values, info)
    np.testing.assert_array_equal(np.fromfile(tmp_path / "stored", dtype), stored)
    np.testing.assert_array_equal(
        np.fromfile(tmp_path / "real", np.float32), dequantize(stored, info)
    )


def test_channels_last_are_turned_and_bounds_are_kept(
    tmp_path: Path, script: Script
) -> None:
    found = script(
        tmp_path,
        f"""{head(tmp_path)}
const turned = code.channelsLast(Float32Array.from([1, 2, 3, 4, 5, 6]), 2);
let refused = "";
try {{ code.stored([256], {{ dtype: "uint8", quantization: null }}); }}
catch (error) {{ refused = error.message; }}
const wide = code.stored([3, -7], {{ dtype: "int64", quantization: null }});
console.log(JSON.stringify([[...turned], refused, [...wide].map(String)]));""",
    )
    assert found[0] == [1, 4, 2, 5, 3, 6]
    assert "256 is not in the range of uint8, 0 to 255" in found[1]
    assert found[2] == ["3", "-7"]
