"""A bundle of files that are none, and a package of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgekit.package import PackageRequest, kinds
from edgekit.progress import Silent
from edgekit.store import Store
from edgekit.types import Artifact, TensorSpec

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
        kind = kinds()["web"]
        given = {option.name: option.empty for option in kind.options}
        request = PackageRequest(
            bundle=bundle,
            options={**given, "out": tmp_path / "out", **options},
            store=Store(tmp_path / "store"),
            progress=Silent(),
        )
        [one] = kind.package(request)
        return Path(one.facts["folder"])

    return made
