"""Reports of several builds in the order of time: from a folder, or from commits of a file.

Reports of every schema are read: a trend needs a few figures, whose names have not changed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgekit.arguments import check_value
from edgekit.bundle_files import validated
from edgekit.errors import UsageError
from edgekit.safe_io import parse_json, read_text, reading
from edgekit.types.evaluation import Score
from edgekit.types.history import ArtifactFigures, HistoryEntry

_NOT_ONE = "Give report.json of a build, or what edgekit bench --out wrote."
_GIT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class _Latency:
    p50_ms: float | None = None


@dataclass(frozen=True, kw_only=True)
class _Measurement:
    latency: _Latency = field(default_factory=_Latency)
    size_mb: float | None = None
    peak_memory_mb: float | None = None
    device: str | None = None
    provenance: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Named:
    name: str


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    artifact: _Named
    measurement: _Measurement
    evaluation: Score | None = None
    chosen: bool = False


@dataclass(frozen=True, kw_only=True)
class _Build:
    """Of a build's report.json."""

    created: str
    project: str | None = None
    target: _Named
    candidates: tuple[_Candidate, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Facts:
    evaluation: Score | None = None


@dataclass(frozen=True, kw_only=True)
class _Run:
    """Of a file of `edgekit bench --out` or `edgekit gate --out`."""

    created: str
    artifact: _Named
    measurement: _Measurement
    facts: _Facts = field(default_factory=_Facts)


def from_folder(place: Path) -> list[HistoryEntry]:
    """Every report in a folder and below, or the one file, the oldest first.

    Other JSON files in a folder are left out. Raises `UsageError` where there is none, and for a
    file that is damaged.
    """
    if not place.is_dir():
        return [_entry(_parsed(read_text(place, UsageError), place), place.name)]
    found = []
    for file in sorted(place.rglob("*.json")):
        content = _parsed(read_text(file, UsageError), file)
        if _is_report(content):
            found.append(_entry(content, str(file.relative_to(place))))
    if not found:
        raise UsageError(f"There is no report in {place}. {_NOT_ONE}")
    return sorted(found, key=lambda one: one.created)


def from_commits(
    place: Path, *, revisions: str | None, last: int
) -> list[HistoryEntry]:
    """The reports at `place`, a file or folder, in each commit that changed it, oldest first.

    `revisions` is a range as git takes it, `last` the most commits. Raises `UsageError` where git,
    the repository, the range or a report is missing.
    """
    if revisions is not None:
        check_value(revisions, "the range of revisions", UsageError)
    folder, name = place.absolute().parent, place.absolute().name
    chosen = [revisions] if revisions else []
    form = "--format=%h%x1f%ct%x1f%s"
    log = _git(folder, "log", form, f"-n{last}", *chosen, "--", name)
    found = []
    for line in reversed(log.splitlines()):
        commit, seconds, title = line.split("\x1f", 2)
        made = datetime.fromtimestamp(int(seconds), UTC).isoformat(timespec="seconds")
        figures = tuple(_committed(folder, commit, name))
        if figures:  # the commit that removed it has none
            found.append(
                HistoryEntry(label=commit, title=title, created=made, artifacts=figures)
            )
    if not found:
        raise UsageError(f"No commit has a report at {place}. {_NOT_ONE}")
    return found


def _committed(folder: Path, commit: str, name: str) -> Iterator[ArtifactFigures]:
    listed = _git(folder, "ls-tree", "-r", "-z", "--name-only", commit, "--", name)
    for file in filter(None, listed.split("\0")):
        if file.endswith(".json"):
            where = f"{commit}:{file}"
            content = _parsed(_git(folder, "show", f"{commit}:./{file}"), where)
            if _is_report(content):
                yield from _entry(content, where).artifacts


def _git(folder: Path, *words: str) -> str:
    if shutil.which("git") is None:
        raise UsageError(
            "git is not installed. Install it, or give a folder of reports."
        )
    done = subprocess.run(
        ["git", "--no-pager", "-c", "core.fsmonitor=false", *words],
        cwd=folder if folder.is_dir() else None,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_GIT_S,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[0]
        raise UsageError(f"git cannot read the commits of {folder} ({reason[:200]}).")
    return done.stdout


def _parsed(text: str, where: Path | str) -> Any:
    with reading(where, UsageError, kind="JSON"):
        return parse_json(text)


def _is_report(content: Any) -> bool:
    kinds = (
        {"created", "candidates", "target"},
        {"created", "artifact", "measurement"},
    )
    return isinstance(content, dict) and any(kind <= content.keys() for kind in kinds)


def _entry(content: Any, label: str) -> HistoryEntry:
    with reading(label, UsageError, fix=_NOT_ONE):
        if not _is_report(content):
            raise ValueError("keys of a report are missing")
        text = json.dumps(content)
        found = _of_build(text) if "candidates" in content else _of_run(text)
        return replace(found, label=label)


def _of_build(text: str) -> HistoryEntry:
    build = validated(_Build, text)
    return HistoryEntry(
        label="",
        title="",
        created=build.created,
        artifacts=tuple(
            replace(
                _figures(one.artifact, one.measurement, one.evaluation),
                project=build.project,
                target=build.target.name,
                machine=_machine(one.measurement.device, build.environment),
                chosen=one.chosen,
            )
            for one in build.candidates
        ),
    )


def _machine(device: str | None, environment: Mapping[str, str]) -> str | None:
    """The device's address; of this machine, which is another one elsewhere, its processor."""
    cpu = environment.get("device cpu")
    return cpu if device in (None, "local") and cpu else device


def _of_run(text: str) -> HistoryEntry:
    run = validated(_Run, text)
    figures = _figures(run.artifact, run.measurement, run.facts.evaluation)
    return HistoryEntry(label="", title="", created=run.created, artifacts=(figures,))


def _figures(
    artifact: _Named, measured: _Measurement, judged: Score | None
) -> ArtifactFigures:
    return ArtifactFigures(
        artifact=artifact.name,
        machine=measured.device,
        provenance=measured.provenance,
        p50_ms=measured.latency.p50_ms,
        size_mb=measured.size_mb,
        peak_memory_mb=measured.peak_memory_mb,
        score=judged,
    )
