"""A user's decoder that goes into the bundle, and those that cannot."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from edgekit.pipeline.decoder_file import _reason
from edgekit.pipeline.samples import DecoderFile
from edgekit.types import DecoderCode

BOXES = """
def boxes(output):
    return output[:, :4], output[:, 4], output[:, 5]
"""


def reason(source: str) -> str | None:
    content = source.encode()
    code = DecoderCode(
        function="boxes",
        sha256=hashlib.sha256(content).hexdigest(),
        masks=False,
        confidence=0.25,
        most=5,
    )
    outputs = np.zeros((2, 3, 6), np.float32)
    return _reason(DecoderFile(contract=code, content=content), outputs)


def test_numpy_and_the_standard_library_are_there() -> None:
    assert reason(f"import dataclasses, math\nimport numpy.linalg\n{BOXES}") is None


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (f"import torch\n{BOXES}", "decoder.py:1: ModuleNotFoundError: No module named 'torch'"),
        (f"{BOXES}\nfrom helpers import nms", "No module named 'helpers'"),
        (BOXES.replace("return", "import edgekit\n    return"), "No module named 'edgekit'"),
        (BOXES.replace("output[:, 5]", "open(__file__[:-10] + 'x').read()"), "FileNotFoundError"),
        (f"{BOXES}\nraise SystemExit(3)", "SystemExit: 3"),
    ],
)  # fmt: skip
def test_what_a_device_lacks_is_named(tmp_path: Path, source: str, words: str) -> None:
    found = reason(source)
    assert found is not None and words in found
