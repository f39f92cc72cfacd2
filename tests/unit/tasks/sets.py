"""Data sets of every form of targets, and metrics over them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from edgekit import data, tasks
from edgekit.tasks.scores import Outputs
from edgekit.tasks.targets import Targets
from edgekit.types import Evaluation, InputSpec, Preprocess, TaskKind


def measured(kind: str, outputs: Outputs, targets: Targets) -> Evaluation:
    """By the kind's own metric."""
    metric = tasks.of(kind).metric
    assert metric is not None
    return metric(outputs, targets)


RAW = Preprocess(scale=1)


def load(
    root: Path, spec: str, kind: TaskKind, shape: tuple[int, ...], **more: object
) -> data.Dataset:
    dtype = more.pop("dtype", None)
    given = InputSpec(shape=shape, dtype=dtype)  # type: ignore[arg-type]
    options = {"preprocess": RAW, **more}
    return data.load(spec, root=root, input=given, kind=kind, **options)  # type: ignore[arg-type]


def arrays(root: Path, **content: np.ndarray) -> None:
    np.savez(root / "set.npz", **content)


def picture(path: Path, values: np.ndarray, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values)
    (image if mode is None else image.convert(mode)).save(path)
