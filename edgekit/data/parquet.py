"""Tables of samples: parquet, as Hugging Face data sets keep it, of images, lists of numbers or
texts, and CSV of texts or of a number a column."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.data import arrow, recordings
from edgekit.data.dataset import Dataset
from edgekit.data.faults import Faults, listed
from edgekit.data.folder import images
from edgekit.data.memory import available, check_room, fits
from edgekit.data.request import INPUTS, Request, RequestedInput
from edgekit.data.samples import InMemory, Samples
from edgekit.data.text_rows import from_texts, joined, reads_texts, text_keys
from edgekit.errors import DataError
from edgekit.safe_io import parse_json, read_bytes, reading
from edgekit.tasks import numbered
from edgekit.types.notes import Note

DELIMITERS = {".csv": ",", ".tsv": "\t"}
"""Of the cells of a row, by the file's ending; the first row names the columns."""
_MOST_CATEGORIES = 20
"""Texts of a column that an error names as its classes."""


def load(path: Path, request: Request) -> Dataset:
    """A column for each input: images or recordings (encoded bytes, or a struct with `bytes`), or
    lists of numbers. Or a column of texts, or two of pairs."""
    table = _read(path)
    if request.group not in table.column_names:
        return _dataset(table, path, request)
    groups = table.column(request.group).to_pylist()
    return _dataset(table.drop_columns(request.group), path, request).grouped(groups)


def _dataset(table: Any, path: Path, request: Request) -> Dataset:
    columns = {name: table.column(name) for name in table.column_names}
    targets = request.targets_in(columns)
    if not len(table):
        raise DataError(f"{path} has no samples.")
    with reading(path, DataError, kind="parquet with class names"):
        names = _class_names(table.schema.metadata, str(targets))
    if not request.columns and reads_texts(columns, request):
        keys = text_keys(_of_texts(columns), request, str(path))
        if keys is not None:
            texts = joined(
                [_strings(columns[key].to_pylist(), key, path) for key in keys]
            )
            y = _labels(columns[targets].to_pylist(), path) if targets else None
            beside = {
                each.spec.name: _column(columns[each.spec.name], each, path)
                for each in request.beside_text
                if each.spec.name in columns
            }
            return from_texts(texts, y, request, str(path), names, beside)
    if request.columns:
        x, beside_notes = _side_by_side(columns, request, path)
        y = _numbers(columns[targets].to_pylist(), path) if targets else None
        return request.labeled([x], y, str(path), names=names, notes=beside_notes)
    _advise_columns(columns, targets, request, path)
    found = request.separate(columns, str(path))
    samples: list[Samples] = []
    notes: list[Note] = []
    for one, column in zip(request.inputs, found, strict=True):
        part, noted = _column(column, one, path)
        samples.append(part)
        notes += noted
    y = _numbers(columns[targets].to_pylist(), path) if targets else None
    first = samples[0]
    if y is None and request.format.from_inputs and isinstance(first, InMemory):
        y = request.format.from_inputs(first.values)
    return request.labeled(samples, y, str(path), names=names, notes=tuple(notes))


def _side_by_side(
    columns: Mapping[str, Any], request: Request, path: Path
) -> tuple[InMemory, tuple[Note, ...]]:
    """The columns that `[data] columns` names as one input (rows, values); raises `DataError`."""
    if len(request.inputs) > 1:
        raise DataError(
            f"[data] columns are of one input, and the network takes {', '.join(request.names)}. "
            "Give a column for each input, by its name."
        )
    stray = [name for name, _ in request.categories if name not in request.columns]
    if stray:
        raise DataError(
            f"[data] categories have {', '.join(stray)}, which [data] columns do not name. Add "
            "the name where it belongs, or leave it out."
        )
    lacking = [name for name in request.columns if name not in columns]
    if lacking:
        raise DataError(
            f"{path} has no column {', '.join(lacking)}, which [data] columns names; it has "
            f"{', '.join(columns)}."
        )
    faults = Faults()
    found: list[np.ndarray] = []
    tokens = request.inputs[0].dtype is not None
    classes = dict(request.categories)
    for name in request.columns:
        with faults.of(name):
            empty = arrow.empty_rows(columns[name])
            if empty:
                raise DataError(
                    f"{path}: column '{name}' is empty in {numbered.samples(empty, 'row')}. Fill "
                    "in or remove these rows."
                )
            if name in classes:
                numbers = _numbers_of(columns[name], classes[name], name, path)
                one_hot = np.eye(len(classes[name]), dtype=np.float32)
                found.append(numbers[:, None] if tokens else one_hot[numbers])
            else:
                found.append(_values_of(columns[name], name, path, tokens=tokens))
    faults.refuse(
        f"columns of {path}", "Correct them, or leave them out of [data] columns."
    )
    values, notes = request.inputs[0].arrange(np.concatenate(found, 1), str(path))
    return InMemory(values=values), notes


def _values_of(column: Any, name: str, path: Path, *, tokens: bool) -> np.ndarray:
    """A column of numbers as (rows, 1): float32, or int64 of an input of `tokens`."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as of

    if not _is_number(column):
        raise DataError(
            f"{path}: column '{name}' holds {column.type}, not numbers. "
            f"{_advised(column, name)}"
        )
    if tokens and of.is_floating(column.type):
        raise DataError(
            f"{path}: column '{name}' holds {column.type}, and the network takes whole numbers. "
            "Round them."
        )
    kind = pa.int64() if tokens else pa.float64()
    values: np.ndarray = pc.cast(column, kind).to_numpy()[:, None]
    return values if tokens else values.astype(np.float32)


def _advised(column: Any, name: str) -> str:
    """The fix for a column of texts."""
    texts = sorted(map(str, column.unique().to_pylist()))
    if len(texts) > _MOST_CATEGORIES:
        return "Give numbers, or name the texts of classes in [data] categories."
    listed = ", ".join(f'"{text}"' for text in texts)
    return f"Its texts are classes: [data] categories = {{ {name} = [{listed}] }}."


def _numbers_of(column: Any, texts: Sequence[str], name: str, path: Path) -> np.ndarray:
    """The place of each row's text among `texts`: (rows,) int64."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.index_in(pc.cast(column, pa.string()), pa.array(texts, pa.string()))
    odd = arrow.empty_rows(found)
    if odd:
        raise DataError(
            f"{path}: column '{name}' has '{column[odd[0]]}' in {numbered.samples(odd, 'row')}, "
            f"which is none of {', '.join(texts)}. Correct these rows, or [data] categories."
        )
    return np.asarray(pc.cast(found, pa.int64()).to_numpy())


def _advise_columns(
    columns: Mapping[str, Any], targets: str | None, request: Request, path: Path
) -> None:
    """Raise `DataError` that names the columns of numbers where a table has one for each number of
    the only input, and none of the input's name."""
    known = {*request.names, *INPUTS}
    if len(request.inputs) > 1 or known & {*columns}:
        return
    numbers = [
        n for n, column in columns.items() if n != targets and _is_number(column)
    ]
    if len(request.inputs[0].spec.shape) == 1 and len(numbers) > 1:
        listed = ", ".join(f'"{name}"' for name in numbers)
        raise DataError(
            f"{path} has no column of the input's name. Name those that are the input, in their "
            f"order: [data] columns = [{listed}]."
        )


def _is_number(column: Any) -> bool:
    import pyarrow.types as of

    kind = column.type
    return bool(of.is_integer(kind) or of.is_floating(kind) or of.is_boolean(kind))


def _labels(values: list[Any], path: Path) -> np.ndarray:
    """The targets beside texts; an empty cell is none."""
    empty = [row for row, value in enumerate(values) if value in (None, "")]
    if empty:
        raise DataError(
            f"{path} has no label in {numbered.samples(empty, 'row')}. Fill it in, or give -1 "
            "where it is unknown."
        )
    return np.array(values)


def _of_texts(columns: Mapping[str, Any]) -> list[str]:
    """The names of the columns that hold texts."""
    import pyarrow.types

    return [
        name
        for name, column in columns.items()
        if pyarrow.types.is_string(column.type)
        or pyarrow.types.is_large_string(column.type)
    ]


def _strings(values: list[Any], name: str, path: Path) -> list[str]:
    empty = [number for number, value in enumerate(values) if value is None]
    if empty:
        raise DataError(
            f"{path}: column '{name}' has no text in {numbered.samples(empty, 'row')}. Fill in or "
            "remove these rows."
        )
    return values


def _column(
    column: Any, one: RequestedInput, path: Path
) -> tuple[Samples, tuple[Note, ...]]:
    """The raw samples in a column."""
    encoded = arrow.encoded(column)
    if encoded is None:
        with reading(path, DataError, kind="numbers"):
            check_room(column.nbytes, available())
        found, notes = one.arrange(_numbers(column.to_pylist(), path), str(path))
        return InMemory(values=found), notes
    missing = arrow.empty_rows(encoded)
    if missing:
        raise DataError(
            f"{path}: column '{one.spec.name}' has no bytes in "
            f"{numbered.samples(missing, 'row')}. Fill in or remove these rows."
        )
    names = [f"in row {row} of {path}" for row in range(len(encoded))]
    of_sources = images if one.preprocess.audio is None else recordings.of_sources
    return of_sources(arrow.Cells(column=encoded), names, one), ()


def _read(path: Path) -> Any:
    import pyarrow.parquet

    if path.suffix in DELIMITERS:
        return _read_texts(path)
    if path.is_dir() and arrow.is_saved(path):
        return arrow.saved(path)
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    faults = Faults()
    for file in files:
        with faults.of(str(file)), reading(file, DataError, kind="parquet"):
            pyarrow.parquet.read_metadata(file)
    faults.refuse("files")
    with reading(path, DataError, kind="parquet"):
        size = _unpacked(files)
        if fits(size):
            return pyarrow.parquet.read_table(path)
        check_room(size, shutil.disk_usage(tempfile.gettempdir()).free // 2)
        return arrow.on_disk(files)


def _read_texts(path: Path) -> Any:
    """A table of cells between delimiters."""
    import pyarrow
    import pyarrow.csv

    content = read_bytes(path, DataError)
    _refuse_bytes(content, path)
    odd: list[Any] = []

    def skipped(row: Any) -> str:
        odd.append(row)
        return "skip"

    how = pyarrow.csv.ParseOptions(
        delimiter=DELIMITERS[path.suffix],
        newlines_in_values=True,
        invalid_row_handler=skipped,
    )
    # One thread, so that rows have numbers.
    alone = pyarrow.csv.ReadOptions(use_threads=False)
    with reading(path, DataError, kind="a table of texts"):
        table = pyarrow.csv.read_csv(
            pyarrow.BufferReader(content), read_options=alone, parse_options=how
        )
    _refuse_rows(odd, path)
    return table


def _refuse_rows(odd: Sequence[Any], path: Path) -> None:
    """Raise `DataError` for rows of a table with more or fewer cells than it has columns."""
    if not odd:
        return
    found = [(f"line {x.number}", f"{x.actual_columns}") for x in odd]
    raise DataError(
        f"{path} has {odd[0].expected_columns} cells a row, and others in {listed(found)}. Correct "
        'these lines; a text with the delimiter in it stands between "quotes".'
    )


def _refuse_bytes(content: bytes, path: Path) -> None:
    """Raise `DataError` for lines that are not UTF-8."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        lines = enumerate(content.split(b"\n"), 1)
        odd = [number for number, line in lines if not _decodes(line)]
        raise DataError(
            f"{path} is not UTF-8 text in {numbered.samples(odd, 'line')}. Save it as UTF-8."
        ) from None


def _decodes(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _unpacked(files: list[Path]) -> int:
    """Bytes of tables in memory."""
    import pyarrow.parquet

    total = 0
    for file in files:
        about = pyarrow.parquet.read_metadata(file)
        groups = range(about.num_row_groups)
        total += sum(about.row_group(n).total_byte_size for n in groups)
    return total


def _numbers(values: list[Any], path: Path) -> np.ndarray:
    try:
        found = np.array(values)
        if found.dtype.kind == "O":
            raise ValueError("rows that are not numbers")
        return found
    except (ValueError, OverflowError) as error:
        odd = numbered.unlike([_form(value) for value in values])
        where = f" ({numbered.samples(odd, 'row')})" if odd else ""
        raise DataError(
            f"{path} has rows of different shapes, empty ones, or no numbers{where}. Make them "
            "equal."
        ) from error


def _form(value: Any) -> str:
    """The shape of a row, or the kind of what is none."""
    try:
        found = np.array(value)
    except (ValueError, OverflowError):
        return "ragged"
    return f"{found.shape}{found.dtype.kind if found.dtype.kind in 'OUSM' else ''}"


def _class_names(
    metadata: dict[bytes, bytes] | None, column: str
) -> tuple[str, ...] | None:
    """Class names that Hugging Face `datasets` writes into the schema."""
    described = parse_json((metadata or {}).get(b"huggingface", b"{}"))
    feature = described.get("info", {}).get("features", {}).get(column, {})
    names = feature.get("names")
    return tuple(map(str, names)) if names else None
