"""Figures of artifacts over commits or builds."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.types.evaluation import Score


@dataclass(frozen=True, kw_only=True)
class ArtifactFigures:
    """One artifact in one report; `None` is a figure that the report lacks."""

    artifact: str
    project: str | None = None
    target: str | None = None
    """Both `None` where the report is of no build."""
    machine: str | None = None
    """Where the latency was measured."""
    provenance: str | None = None
    chosen: bool = True
    p50_ms: float | None = None
    size_mb: float | None = None
    peak_memory_mb: float | None = None
    score: Score | None = None
    """Of the task's metric."""


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """One report: of a commit, or a file."""

    label: str
    """The commit's short hash, or the file's path below the folder."""
    title: str
    """The commit's subject; empty for a file."""
    created: str
    """Of the commit or of the report, ISO 8601 in UTC."""
    artifacts: tuple[ArtifactFigures, ...]
