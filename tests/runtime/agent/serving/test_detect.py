"""Boxes and masks of `infer` and `serve`: by a head, and by a decoder that the bundle brings."""

from __future__ import annotations

import hashlib
import io
import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tests.runtime.agent.serving.test_main import npy, run
from tests.runtime.agent.serving.test_server import INFER, request, start

SHAPE = (1, 3, 8, 8)
DECODER = """
import numpy as np

RUNS = open(__file__ + ".runs", "a")
RUNS.write("run\\n")
RUNS.flush()

def things(output):
    boxes, masks, scores, classes = [], [], [], []
    for kind, heat in enumerate(output):
        mask = heat > heat.mean()
        y, x = np.nonzero(mask)
        boxes.append((x.min(), y.min(), x.max() + 1, y.max() + 1))
        masks.append(mask)
        scores.append(1 / (1 + np.exp(-heat.max())))
        classes.append(kind)
    return np.array(boxes), np.array(masks), scores, classes
"""


@dataclass(frozen=True, kw_only=True)
class Bundled:
    path: Path
    decoder_code: dict[str, Any]
    runtime: str = "onnxruntime"
    fit: str = "stretch"


class Shapes(nn.Module):
    """Two maps of eight by eight pixels."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.mix = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mix(x)


@pytest.fixture
def bundled(tmp_path: Path) -> Bundled:
    (tmp_path / "decoder.py").write_text(DECODER)
    path = tmp_path / "shapes.onnx"
    names = {"input_names": ["x"], "output_names": ["maps"]}
    torch.onnx.export(
        Shapes().eval(), (torch.zeros(SHAPE),), path, dynamo=True, **names
    )
    code = {
        "file": "decoder.py",
        "function": "things",
        "sha256": hashlib.sha256(DECODER.encode()).hexdigest(),
        "masks": True,
        "confidence": 0.1,
        "most": 9,
    }
    return Bundled(path=path, decoder_code=code)


def expected(sample: np.ndarray) -> tuple[np.ndarray, ...]:
    """Boxes, masks, scores and classes by PyTorch and the decoder, the surest first."""
    with torch.no_grad():
        maps = Shapes().eval()(torch.from_numpy(sample)[None])[0].numpy()
    named: dict[str, Any] = {"__file__": "/dev/null"}
    exec(
        DECODER.replace('open(__file__ + ".runs", "a")', "open('/dev/null', 'w')"),
        named,
    )
    boxes, masks, scores, classes = map(np.asarray, named["things"](maps))
    order = np.argsort(-scores)
    return boxes[order], masks[order], scores[order], classes[order]


def unrolled(mask: dict[str, Any]) -> np.ndarray:
    counts = mask["counts"]
    flat = np.repeat(np.arange(len(counts)) % 2, counts)
    return flat.reshape(mask["size"], order="F") > 0


def check(found: list[dict[str, Any]], sample: np.ndarray) -> None:
    boxes, masks, scores, classes = expected(sample)
    assert [one["box"] for one in found] == boxes.tolist()
    assert [one["label"] for one in found] == ["ab"[kind] for kind in classes]
    assert [one["score"] for one in found] == pytest.approx(scores, abs=1e-5)
    for one, mask in zip(found, masks, strict=True):
        assert np.array_equal(unrolled(one["mask"]), mask)


def drawn(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(SHAPE[1:], np.float32)


def test_infer_runs_the_bundles_decoder_where_it_is_allowed(
    tmp_path: Path, bundled: Bundled
) -> None:
    sample = drawn(0)
    done = run(tmp_path, bundled, "infer", "--allow-code", stdin=npy(sample))
    assert done.returncode == 0, done.stderr
    check(json.loads(done.stdout)["boxes"], sample)
    ran = tmp_path / "decoder.py.runs"
    assert ran.is_file()
    ran.unlink()
    plain = run(tmp_path, bundled, "infer", stdin=npy(sample))
    answer = json.loads(plain.stdout)
    assert np.shape(answer["outputs"]) == (1, 2, 8, 8) and "boxes" not in answer
    assert b"--allow-code runs it" in plain.stderr and not ran.exists()


def test_masks_are_in_pixels_of_the_image(tmp_path: Path, bundled: Bundled) -> None:
    pixels = (drawn(1) * 255).astype(np.uint8)
    large = pixels.transpose(1, 2, 0).repeat(2, 0).repeat(3, 1)
    image = io.BytesIO()
    Image.fromarray(large).save(image, "PNG")
    done = run(tmp_path, bundled, "infer", "--allow-code", stdin=image.getvalue())
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["boxes"]
    boxes, masks, *_ = expected(pixels.astype(np.float32))
    assert found[0]["box"] == (boxes[0] * (3, 2, 3, 2)).tolist()
    whole = masks[0].repeat(2, 0).repeat(3, 1)
    assert np.array_equal(unrolled(found[0]["mask"]), whole)


def test_serve_returns_what_the_decoder_finds_beside_the_outputs(
    tmp_path: Path, bundled: Bundled
) -> None:
    samples = np.stack([drawn(2), drawn(3)])
    asked = request(samples.ravel().tolist(), shape=samples.shape)
    served = start(tmp_path, bundled, "--allow-code")
    try:
        status, reply = served.ask(INFER, asked)
    finally:
        served.process.send_signal(signal.SIGTERM)
        served.process.wait(timeout=30)
    assert status == 200, reply
    for found, sample in zip(reply["parameters"]["boxes"], samples, strict=True):
        check(found, sample)
    assert reply["outputs"][0]["shape"] == [2, 2, 8, 8]
