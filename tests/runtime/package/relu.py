"""The smallest file to package."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgekit.types import Artifact, Preprocess, TensorSpec
from tests.packages import write_bundle
from tests.runtime.conftest import write_tflite

RAW = {**asdict(Preprocess(scale=1.0)), "mean": [0.0], "std": [1.0]}


def tiny(folder: Path) -> Artifact:
    """ReLU of four numbers."""
    file = folder / "relu.tflite"
    write_tflite(file)
    spec = {"shape": (1, 4), "dtype": "float32"}
    return Artifact(
        name="litert-fp32",
        runtime="litert",
        precision="fp32",
        files=(file,),
        inputs=(TensorSpec(name="x", **spec),),
        outputs=(TensorSpec(name="y", **spec),),
    )


def tiny_bundle(folder: Path, **changes: Any) -> Path:
    """Its bundle, with four labels."""
    given = {"preprocess": [RAW], "labels": list("abcd"), **changes}
    return write_bundle(folder / "b", [tiny(folder)], **given)
