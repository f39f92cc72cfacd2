"""Tables of Apache Arrow that stay on the disk: folders that Hugging Face `datasets` saves.

https://huggingface.co/docs/datasets/about_arrow. Files are mapped into memory: only what is read of
them is in it, and goes where others need the room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from edgekit import scratch
from edgekit.errors import DataError
from edgekit.safe_io import parse_json, read_text, reading

_SPLITS, _STATE = "dataset_dict.json", "state.json"
_ROWS = 256
"""Rows that are converted at a time."""


def is_saved(path: Path) -> bool:
    """Return whether a folder is what `save_to_disk` of Hugging Face `datasets` writes."""
    return (path / _STATE).is_file() or (path / _SPLITS).is_file()


def saved(path: Path) -> Any:
    """The table of such a folder; raises `DataError` for one of several splits."""
    import pyarrow as pa

    if (path / _SPLITS).is_file():
        splits = sorted(each.parent.name for each in path.glob(f"*/{_STATE}"))
        raise DataError(
            f"{path} holds the splits {', '.join(splits)}. Name one of them in [data]: "
            f"'{path / splits[0] if splits else path}'."
        )
    with reading(path / _STATE, DataError, kind="the state of a data set"):
        state = parse_json(read_text(path / _STATE, DataError))
        names = [Path(str(one["filename"])).name for one in state["_data_files"]]
    tables = []
    for name in names:
        with reading(path / name, DataError, kind="Arrow data"):
            tables.append(
                pa.ipc.open_stream(pa.memory_map(str(path / name))).read_all()
            )
    with reading(path, DataError, kind="Arrow data"):
        return pa.concat_tables(tables)


def on_disk(files: Sequence[Path]) -> Any:
    """The table of parquet files, unpacked to a file that goes with this process."""
    import pyarrow as pa
    import pyarrow.parquet

    tables = []
    with scratch.folder() as folder:
        for number, file in enumerate(files):
            place = str(folder / f"{number}.arrow")
            source = pyarrow.parquet.ParquetFile(file)
            with pa.OSFile(place, "wb") as sink:  # noqa: SIM117
                with pa.ipc.new_file(sink, source.schema_arrow) as writer:
                    for batch in source.iter_batches(_ROWS):
                        writer.write_batch(batch)
            # The map keeps the content when the folder is removed.
            tables.append(pa.ipc.open_file(pa.memory_map(place)).read_all())
        return pa.concat_tables(tables)


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells(Sequence[bytes]):
    """The bytes in a column, each read when it is asked for."""

    column: Any

    def __len__(self) -> int:
        return len(self.column)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Cells: ...
    def __getitem__(self, index: int | slice) -> bytes | Cells:
        if isinstance(index, slice):
            return Cells(column=self.column[index])
        content: bytes = self.column[index].as_py()
        return content


def encoded(column: Any) -> Any | None:
    """The column of bytes in a column of them, or of structs with `bytes` as Hugging Face has
    images; `None` for others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_struct(column.type) and column.type.get_field_index("bytes") >= 0:
        column = pc.struct_field(column, "bytes")
    binary = pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)
    return column if binary and column.null_count < len(column) else None


def empty_rows(column: Any) -> list[int]:
    """The numbers of the rows without a value."""
    import pyarrow.compute as pc

    found: list[int] = pc.indices_nonzero(pc.is_null(column)).to_pylist()
    return found
