"""Measurements on disk: one file for one run, and `history.jsonl` with a line for each.

A file of one run has `schema`, `created`, `tier`, `artifact` (its hash and bytes) and
`measurement`. `compare` and `gate` read it, and a build's `report.json` likewise.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from edgekit.errors import OutputError, UsageError
from edgekit.types import Artifact, Evaluation, Measurement

SCHEMA = 1
FILE = "history.jsonl"
_MEASUREMENT: TypeAdapter[Measurement] = TypeAdapter(Measurement)


@dataclass(frozen=True, kw_only=True)
class Record:
    """One measured artefact, from wherever it was written down."""

    name: str
    sha256: str | None
    size_bytes: int
    tier: str | None
    created: str
    measurement: Measurement
    evaluation: Evaluation | None = None
    macs: int | None = None
    parameters: int | None = None
    slow_operators: int | None = None
    """Operators off the runtime's fast path; `None` where nobody profiled."""
    files: tuple[Path, ...] = ()
    """Where the artefact was when it was measured; it may have gone since."""

    @property
    def there(self) -> bool:
        """Whether the artefact still is where it was, and still the same."""
        if not self.files or not all(file.is_file() for file in self.files):
            return False
        return self.sha256 is None or sha256(self.files) == self.sha256


def sha256(files: Sequence[Path]) -> str:
    """Of an artefact's files, in order."""
    content = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            content.update(hashlib.file_digest(opened, "sha256").digest())
    return content.hexdigest()


def document(
    artifact: Artifact,
    measurement: Measurement,
    *,
    tier: str,
    slow_operators: int | None = None,
) -> dict[str, Any]:
    """The measurement as it is kept."""
    return {
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "tier": tier,
        "artifact": {
            "name": artifact.name,
            "sha256": sha256(artifact.files),
            "size_bytes": artifact.size_bytes,
            "slow_operators": slow_operators,
            "files": [str(file.resolve()) for file in artifact.files],
        },
        "measurement": _MEASUREMENT.dump_python(measurement, mode="json"),
    }


def append(file: Path, entry: Mapping[str, Any]) -> None:
    """One more line in a history; lines are written whole."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as opened:
            opened.write(json.dumps(entry) + "\n")
    except OSError as error:
        raise OutputError(f"Cannot write {file} ({error.strerror}).") from error


def write(file: Path, entry: Mapping[str, Any]) -> None:
    """The file whole or not at all."""
    partial = file.with_name(file.name + ".partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(entry, indent=2) + "\n", encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"Cannot write {file} ({error.strerror}).") from error


def read(file: Path) -> Record:
    """A run's file, a build's report.json, or the last line of a history.

    Raises UsageError naming what is wrong with the file.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"Cannot read {file} ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is no text, so no measurement.") from error
    try:
        if file.suffix == ".jsonl":
            text = [line for line in text.splitlines() if line.strip()][-1]
        content = json.loads(text)
        if "candidates" in content:
            return _of_report(content, file.parent)
        if content["schema"] != SCHEMA:
            raise UsageError(
                f"{file} has schema {content['schema']!r}; this EdgeKit knows {SCHEMA}."
            )
        return of_document(content)
    except (ValueError, KeyError, TypeError, IndexError, ValidationError) as error:
        raise UsageError(
            f"{file} is no measurement ({type(error).__name__}: {_line(error)}). Make one: "
            "edgekit bench ARTEFACT --out FILE.json"
        ) from error


def of_document(content: Mapping[str, Any]) -> Record:
    artifact = content["artifact"]
    return Record(
        name=artifact["name"],
        sha256=artifact["sha256"],
        size_bytes=artifact["size_bytes"],
        tier=content["tier"],
        created=content["created"],
        measurement=_MEASUREMENT.validate_python(content["measurement"]),
        slow_operators=artifact["slow_operators"],
        files=tuple(map(Path, artifact.get("files", ()))),
    )


def _of_report(content: Mapping[str, Any], folder: Path) -> Record:
    chosen = next(one for one in content["candidates"] if one["chosen"])
    measurement = _MEASUREMENT.validate_python(chosen["measurement"])
    return Record(
        name=chosen["artifact"]["name"],
        sha256=None,
        size_bytes=round(measurement.size_mb * 2**20),
        tier=None,
        created=content["created"],
        measurement=measurement,
        evaluation=Evaluation(**chosen["evaluation"]),
        macs=content["student"]["macs"],
        parameters=content["student"]["parameters"],
        files=tuple(folder / name for name in chosen["artifact"]["files"]),
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
