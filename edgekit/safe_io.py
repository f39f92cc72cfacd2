"""The one way into files from outside.

Whatever a format's library raises becomes one line that names the file and the fault. The
claimed size of a file is checked before memory is allocated. `reading` serves every format; the
other functions read the formats that are plain: text, JSON, NumPy arrays.
"""

from __future__ import annotations

import codecs
import json
import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import psutil
from pydantic import ValidationError

from edgekit.errors import SIGNALS, EdgeKitError
from edgekit.suggestions import suggest_path

if TYPE_CHECKING:
    import numpy as np

TEXT_BYTES = 1 << 26
"""Most bytes of a JSON or TOML file."""
_REASON = 160
_NUMBERS = "fiub"

ErrorKind = Callable[[str], EdgeKitError]


@contextmanager
def reading(
    path: Path | str, error: ErrorKind, *, kind: str = "", fix: str = ""
) -> Iterator[None]:
    """Turn what a library raises over the file `path` into `error`, one line.

    `kind` is what the file should be ("an ONNX model"), `fix` a sentence. EdgeKit's own errors,
    interrupts and missing libraries pass as they are.
    """
    try:
        yield
    except (EdgeKitError, ImportError, SystemExit, GeneratorExit, *SIGNALS):
        raise
    # A library written in Rust panics with a kind that is not an Exception.
    except BaseException as fault:
        expected = f" as {kind}" if kind else ""
        advice = f" {fix}" if fix else ""
        raise error(
            f"Cannot read {path}{expected} ({reason(fault)}).{advice}"
        ) from fault


def reason(fault: BaseException) -> str:
    """The reason of a failure, as part of a line."""
    if isinstance(fault, RecursionError):
        return "it is nested too deeply"
    if isinstance(fault, MemoryError):
        return "it asks for more memory than this machine has"
    if isinstance(fault, ValidationError):
        first = fault.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"][1:]))
        return f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}"[:_REASON]
    if isinstance(fault, OSError) and fault.strerror:
        return fault.strerror
    if type(fault).__name__ == "UnidentifiedImageError":  # Pillow's names an object
        return "not an image of a known format"
    text = " ".join(str(fault).split())[:_REASON].rstrip(".")
    if isinstance(fault, KeyError):
        return f"it lacks {text}"
    return text or type(fault).__name__


def read_bytes(path: Path, error: ErrorKind, *, limit: int | None = None) -> bytes:
    """The content of a regular file; raises `error` beyond `limit` bytes (default: memory)."""
    with reading(path, error):
        check_regular(path, error, limit=limit)
        return path.read_bytes()


def check_regular(path: Path, error: ErrorKind, *, limit: int | None = None) -> None:
    """Raise `error` for a path that is not a file (a pipe never ends) or is larger than
    `limit`."""
    with reading(path, error):
        if not path.exists():
            hint = suggest_path(path)
            raise error(f"Cannot read {path} (No such file or directory).{hint}")
        size = path.stat().st_size
        most = psutil.virtual_memory().available if limit is None else limit
        if not path.is_file():
            raise error(f"Cannot read {path} (it is not a regular file).")
        if size > most:
            raise error(f"Cannot read {path} ({size:,} bytes; at most {most:,} fit).")


def read_text(path: Path, error: ErrorKind, *, limit: int = TEXT_BYTES) -> str:
    """A UTF-8 file, without the mark of byte order that some editors put first."""
    content = read_bytes(path, error, limit=limit).removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as fault:
        line = content[: fault.start].count(b"\n") + 1
        raise error(f"Cannot read {path} (line {line} is not UTF-8 text).") from fault


def read_json(path: Path, error: ErrorKind, *, fix: str = "") -> Any:
    """A JSON file without NaN, infinity and keys that appear twice."""
    text = read_text(path, error)
    with reading(path, error, kind="JSON", fix=fix):
        return parse_json(text)


def parse_json(text: str | bytes) -> Any:
    """As `json.loads`; raises ValueError for numbers that JSON has not, and for twin keys."""
    return json.loads(
        text, parse_constant=_constant, parse_float=_finite, object_pairs_hook=_unique
    )


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is not a finite number")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twin = next(key for key in found if keys.count(key) > 1)
        raise ValueError(f"the key {twin[:40]!r} appears twice")
    return found


# --- NumPy ------------------------------------------------------------------------------------


def read_arrays(
    path: Path, error: ErrorKind, *, fix: str = "Write it with numpy.savez: numbers."
) -> dict[str, np.ndarray]:
    """Every array of an `.npz` by name, or the only one of a `.npy` as `""`.

    Arrays hold numbers or text; objects, which are pickles, are refused. Each must be as long
    as its header claims, and all together must fit into memory.
    """
    check_regular(path, error)
    with reading(path, error, kind="NumPy arrays", fix=fix), path.open("rb") as file:
        if file.read(2) != b"PK":
            file.seek(0)
            return {"": _array(file, path.stat().st_size, path.name)}
        return _archive(file)


def _archive(file: IO[bytes]) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        entries = checked_entries(archive)
        found = {}
        for entry in entries:
            with archive.open(entry) as member:
                name = entry.filename.removesuffix(".npy")
                found[name] = _array(member, entry.file_size, entry.filename)
                if member.read(1):  # reads to the end, where the checksum is compared
                    raise ValueError(f"{entry.filename} is longer than its header")
        return found


def checked_entries(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The entries of an archive: no name twice, and together no larger than free memory."""
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if len(set(names)) != len(names):
        raise ValueError("a name appears twice in the archive")
    total = sum(entry.file_size for entry in entries)
    most = psutil.virtual_memory().available
    if total > most:
        raise ValueError(f"it unpacks to {total:,} bytes; at most {most:,} fit")
    return entries


def _array(file: IO[bytes], size: int, name: str) -> np.ndarray:
    """The array of a `.npy` of `size` bytes, checked against its own header before it is read."""
    import numpy as np  # a third of the time that the command line needs to start

    version = np.lib.format.read_magic(file)
    header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if header is None:
        raise ValueError(f"{name} is of the unknown version {version}")
    shape, fortran, dtype = header(file)
    if dtype.hasobject or dtype.names or dtype.kind not in _NUMBERS + "US":
        raise ValueError(f"{name} holds {dtype}, not numbers")
    expected = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or expected > size:
        raise ValueError(
            f"{name} has shape {list(shape)} in its header and holds {size:,} bytes"
        )
    content = file.read(expected)
    if len(content) != expected:
        raise ValueError(f"{name} ends after {len(content):,} of {expected:,} bytes")
    flat = np.frombuffer(bytearray(content), dtype)
    return flat.reshape(shape, order="F" if fortran else "C")
