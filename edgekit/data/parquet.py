"""Parquet files, as Hugging Face data sets keep them: images or lists of numbers, and labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import psutil

from edgekit.data import preprocess
from edgekit.data.arrays import from_arrays
from edgekit.data.dataset import Dataset
from edgekit.data.request import Request
from edgekit.data.samples import Images
from edgekit.errors import DataError
from edgekit.safe_io import parse_json, reading

INPUTS = ("image", "img", "images", "x", "inputs")
TARGETS = ("label", "labels", "y", "target", "targets", "fine_label")


def load(path: Path, request: Request) -> Dataset:
    """An image column (encoded bytes, or a struct with `bytes`) or a column of number lists."""
    table = _read(path)
    columns = table.column_names
    inputs = next((name for name in INPUTS if name in columns), None)
    targets = next((name for name in TARGETS if name in columns), None)
    if inputs is None:
        raise DataError(
            f"{path} has the columns {', '.join(columns)}. "
            f"Name the inputs {' or '.join(INPUTS)}."
        )
    if not len(table):
        raise DataError(f"{path} has no samples.")
    values = table.column(inputs).to_pylist()
    y = _numbers(table.column(targets).to_pylist(), path) if targets else None
    encoded: list[Any] = [v.get("bytes") if isinstance(v, dict) else v for v in values]
    if not any(isinstance(value, bytes) for value in encoded):
        return from_arrays(_numbers(values, path), y, request, str(path))
    missing = next((i for i, v in enumerate(encoded) if not isinstance(v, bytes)), None)
    if missing is not None:
        raise DataError(
            f"{path}: row {missing} of column '{inputs}' has no image bytes."
        )
    channels, *size = request.input.shape
    color = preprocess.color(request.preprocess, request.input)
    samples = Images(
        sources=encoded,
        names=[f"in row {row} of {path}" for row in range(len(encoded))],
        shape=(channels, size[0], size[1]),
        color=color,
        resize=request.preprocess.resize,
    )
    if y is None:
        return request.unlabeled(samples, len(samples))
    with reading(path, DataError, kind="parquet with class names"):
        names = _class_names(table.schema.metadata, str(targets))
    numbers, labels = request.targets(y, str(path), names)
    return request.dataset(samples, numbers, labels)


def _read(path: Path) -> Any:
    import pyarrow.parquet

    with reading(path, DataError, kind="parquet"):
        _check_size(path, sorted(path.glob("*.parquet")) if path.is_dir() else [path])
        return pyarrow.parquet.read_table(path)


def _check_size(path: Path, files: list[Path]) -> None:
    """Raise `ValueError` for tables that unpack to more than fits into memory."""
    import pyarrow.parquet

    total = 0
    for file in files:
        about = pyarrow.parquet.read_metadata(file)
        groups = range(about.num_row_groups)
        total += sum(about.row_group(n).total_byte_size for n in groups)
    most = psutil.virtual_memory().available
    if total > most:
        raise ValueError(f"it unpacks to {total:,} bytes; at most {most:,} fit")


def _numbers(values: list[Any], path: Path) -> np.ndarray:
    try:
        found = np.array(values)
        if found.dtype.kind == "O":
            raise ValueError("rows that are not numbers")
        return found
    except (ValueError, OverflowError) as error:
        raise DataError(
            f"{path} has rows of different shapes, empty ones, or no numbers. Make them equal."
        ) from error


def _class_names(
    metadata: dict[bytes, bytes] | None, column: str
) -> tuple[str, ...] | None:
    """Class names that Hugging Face `datasets` writes into the schema."""
    described = parse_json((metadata or {}).get(b"huggingface", b"{}"))
    feature = described.get("info", {}).get("features", {}).get(column, {})
    names = feature.get("names")
    return tuple(map(str, names)) if names else None
