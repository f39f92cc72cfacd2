"""Measurements on disk: one file for one run, and `history.jsonl` with a line for each.

A file of one run has `schema`, `created`, `tier`, `artifact` (its hash and bytes) and
`measurement`. `compare` and `gate` read it, and a build's `report.json` likewise.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, MinLen
from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from edgekit import scratch
from edgekit.bundle_files import MANIFEST, inside, read_manifest, validated, vouched
from edgekit.errors import OutputError, UsageError
from edgekit.safe_io import parse_json, read_text, reading
from edgekit.types import (
    REPORT_SCHEMA,
    Artifact,
    Count,
    Energy,
    Evaluation,
    Latency,
    Measurement,
    Text,
)
from edgekit.types.measurement_notes import Compared

SCHEMA = 2
FILE = "history.jsonl"
_DIGEST = "digest"
_Number = Annotated[int, Ge(0)] | None
_MEASUREMENT: TypeAdapter[Measurement] = TypeAdapter(Measurement)


@dataclass(frozen=True, kw_only=True)
class Record:
    """One measured artifact, from wherever it was written down."""

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
    activation_bytes: int | None = None
    """Peak of activations in float32, batch size 1."""
    parity: Compared | None = None
    contract: Mapping[str, Any] | None = None
    files: tuple[Path, ...] = ()
    """Where the artifact was when it was measured; it may have gone since."""

    @property
    def there(self) -> bool:
        """Return whether the artifact still is where it was, and still the same."""
        if not self.files or not all(file.is_file() for file in self.files):
            return False
        return self.sha256 is None or sha256(self.files) == self.sha256


def sha256(files: Sequence[Path]) -> str:
    """Of an artifact's files, in order."""
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


def facts_document(record: Record) -> dict[str, Any]:
    """Facts of an artifact, for `gate` to read as a baseline; no time is in it."""
    facts = {
        "macs": record.macs,
        "parameters": record.parameters,
        "activation_bytes": record.activation_bytes,
        "evaluation": record.evaluation,
        "parity": record.parity,
        "contract": record.contract,
    }
    return {
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "tier": record.tier,
        "artifact": {
            "name": record.name,
            "sha256": record.sha256,
            "size_bytes": record.size_bytes,
            "slow_operators": record.slow_operators,
            "files": [str(file) for file in record.files],
        },
        "measurement": _MEASUREMENT.dump_python(record.measurement, mode="json"),
        "facts": to_jsonable_python(facts),
    }


def unmeasured(artifact: Artifact) -> Measurement:
    """The measurement of an artifact that did not run."""
    return Measurement(
        artifact=artifact.name,
        device="none",
        provenance="host",
        runtime=artifact.runtime,
        runtime_version="",
        threads=1,
        latency=Latency(
            p50_ms=None,
            p90_ms=None,
            p95_ms=None,
            p99_ms=None,
            samples=0,
            launches=0,
            launch_p50_ms=(),
        ),
        load_ms=None,
        first_ms=None,
        peak_memory_mb=None,
        size_mb=artifact.size_mb,
        energy=Energy(),
    )


def append(file: Path, entry: Mapping[str, Any]) -> None:
    """One more line in a history, whole or not at all, with a digest of itself.

    Raises `OutputError` where it cannot be written.
    """
    line = json.dumps({**entry, _DIGEST: _digest(entry)}) + "\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab+", buffering=0) as opened:
            size = opened.seek(0, os.SEEK_END)
            torn = size > 0 and os.pread(opened.fileno(), 1, size - 1) != b"\n"
            content = ("\n" * torn + line).encode()
            if opened.write(content) != len(content):
                opened.truncate(size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise OutputError(
            f"Cannot write {file} ({error.strerror}). Free some space there, or name "
            "another file."
        ) from error


def write(file: Path, entry: Mapping[str, Any]) -> None:
    """The file whole or not at all."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch.sweep(file.parent)
        scratch.write(file, (json.dumps(entry, indent=2) + "\n").encode())
    except OSError as error:
        raise OutputError(f"Cannot write {file} ({error.strerror}).") from error


def read(file: Path) -> Record:
    """A run's file, a build's report.json, or the last line of a history.

    Raises UsageError naming what is wrong with the file.
    """
    text = read_text(file, UsageError)
    fix = "It is not a measurement. Make one: edgekit bench ARTIFACT --out FILE.json"
    with reading(file, UsageError, fix=fix):
        if file.suffix == ".jsonl":
            text = [line for line in text.splitlines() if line.strip()][-1]
        content = parse_json(text)
        if _DIGEST in content and content.pop(_DIGEST) != _digest(content):
            raise UsageError(
                f"{file} is damaged: its last line is not what was written. Remove it."
            )
        if "candidates" in content:
            _check_schema(file, content["schema_version"], REPORT_SCHEMA, "Build")
            return _of_report(content, file.parent)
        _check_schema(file, content["schema"], SCHEMA, "Measure")
        return of_document(content)


def _check_schema(file: Path, given: Any, supported: int, again: str) -> None:
    if given != supported:
        raise UsageError(
            f"{file} has schema {json.dumps(given)[:40]}; this EdgeKit supports "
            f"{supported}. {again} it again."
        )


@dataclass(frozen=True, kw_only=True)
class _Measured:
    name: Text
    sha256: str | None
    size_bytes: Count
    slow_operators: _Number = None
    files: tuple[Text, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """Facts of an artifact."""

    macs: _Number = None
    parameters: _Number = None
    activation_bytes: _Number = None
    evaluation: Evaluation | None = None
    parity: Compared | None = None
    contract: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class _Document:
    """The file of one run."""

    created: str
    tier: str | None
    artifact: _Measured
    measurement: Measurement
    facts: _Facts = field(default_factory=_Facts)


def _digest(entry: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()


def of_document(content: Mapping[str, Any]) -> Record:
    """The record of a run's JSON; raises `ValueError` where a figure is impossible."""
    found = validated(_Document, json.dumps(content, allow_nan=False))
    artifact, facts = found.artifact, found.facts
    judged = facts.evaluation
    return Record(
        name=artifact.name,
        sha256=artifact.sha256,
        size_bytes=artifact.size_bytes,
        tier=found.tier,
        created=found.created,
        measurement=possible(found.measurement),
        slow_operators=artifact.slow_operators,
        evaluation=None if judged is None else _possible_evaluation(judged),
        macs=facts.macs,
        parameters=facts.parameters,
        activation_bytes=facts.activation_bytes,
        parity=facts.parity,
        contract=facts.contract,
        files=tuple(map(Path, artifact.files)),
    )


@dataclass(frozen=True, kw_only=True)
class _Network:
    macs: Annotated[int, Ge(0)]
    parameters: Annotated[int, Ge(0)]


@dataclass(frozen=True, kw_only=True)
class _Built:
    name: Text
    files: Annotated[tuple[Text, ...], MinLen(1)]


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    artifact: _Built
    measurement: Measurement
    evaluation: Evaluation
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class _Report:
    """The measurement in a build's report.json."""

    created: str
    student: _Network
    candidates: tuple[_Candidate, ...]


def _of_report(content: Mapping[str, Any], folder: Path) -> Record:
    report = validated(_Report, json.dumps(content, allow_nan=False))
    chosen = next((one for one in report.candidates if one.chosen), None)
    if chosen is None:
        raise ValueError("no artifact in it is chosen")
    measurement = possible(chosen.measurement)
    if (folder / MANIFEST).is_file():
        _, manifest = read_manifest(folder)
        files = vouched(folder, manifest, chosen.artifact.files)
    else:
        files = [inside(folder, name) for name in chosen.artifact.files]
    return Record(
        name=chosen.artifact.name,
        sha256=None,
        size_bytes=round(measurement.size_mb * 2**20),
        tier=None,
        created=report.created,
        measurement=measurement,
        evaluation=_possible_evaluation(chosen.evaluation),
        macs=report.student.macs,
        parameters=report.student.parameters,
        files=tuple(files),
    )


def possible(found: Measurement) -> Measurement:
    """The measurement itself; raises `ValueError` for a figure that none can have."""
    latency, energy = found.latency, found.energy
    positive = {
        "latency.p50_ms": latency.p50_ms,
        "latency.p90_ms": latency.p90_ms,
        "latency.p95_ms": latency.p95_ms,
        "latency.p99_ms": latency.p99_ms,
        "latency.mean_ms": latency.mean_ms,
        **{
            f"latency.launch_p50_ms[{n}]": v
            for n, v in enumerate(latency.launch_p50_ms)
        },
        "size_mb": found.size_mb,
        "peak_memory_mb": found.peak_memory_mb,
        "threads": found.threads,
        "instructions": found.instructions,
        "energy.gross_mj": energy.gross_mj,
    }
    whole = {
        "latency.samples": latency.samples,
        "latency.launches": latency.launches,
        "load_ms": found.load_ms,
        "first_ms": found.first_ms,
        "energy.gross_u_mj": energy.gross_u_mj,
        "energy.net_u_mj": energy.net_u_mj,
    }
    for name, value in (*positive.items(), *whole.items()):
        if value is None:
            continue
        if not math.isfinite(value) or value < 0 or (value == 0 and name in positive):
            raise ValueError(f"{name} is {value:g}, which no measurement is")
    ordered = [
        value
        for value in (latency.p50_ms, latency.p90_ms, latency.p95_ms, latency.p99_ms)
        if value is not None
    ]
    if ordered != sorted(ordered):
        raise ValueError("the percentiles of the latency fall")
    return found


def _possible_evaluation(found: Evaluation) -> Evaluation:
    """The evaluation itself; raises `ValueError` for a value that the metric cannot have."""
    outside = found.is_fraction and not 0 <= found.value <= 1
    if not math.isfinite(found.value) or outside or found.samples < 1:
        raise ValueError(
            f"{found.metric} is {found.value:g} of {found.samples} samples, which none is"
        )
    return found
