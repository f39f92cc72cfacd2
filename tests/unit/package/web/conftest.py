"""A bundle of files that are none, and a package of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgekit.store import Store
from edgekit.types import Artifact, TensorSpec
from tests.packages import package_app

Package = Callable[..., Path]


def artifact(
    folder: Path,
    name: str = "litert-int8",
    *,
    inputs: tuple[tuple[int, ...], ...] = ((1, 1, 8, 8),),
    outputs: tuple[tuple[int, ...], ...] = ((1, 10),),
    dtype: str = "float32",
    layout: str | None = "NCHW",
) -> Artifact:
    runtime, _, precision = name.partition("-")
    suffix = {"litert": ".tflite", "onnxruntime": ".onnx"}.get(runtime, ".xml")
    file = folder / f"{name}{suffix}"
    file.write_bytes(name.encode())
    return Artifact(
        name=name,
        runtime=runtime,
        precision=precision,  # type: ignore[arg-type]
        files=(file,),
        inputs=tuple(
            TensorSpec(name=f"x{i}", shape=shape, dtype=dtype, layout=layout)
            for i, shape in enumerate(inputs)
        ),
        outputs=tuple(
            TensorSpec(name=f"y{i}", shape=shape, dtype="float32")
            for i, shape in enumerate(outputs)
        ),
    )


@pytest.fixture
def package(tmp_path: Path) -> Package:
    def made(bundle: Path, **options: Any) -> Path:
        given = {"out": tmp_path / "out", **options}
        return package_app("web", bundle, Store(tmp_path / "store"), given)

    return made
