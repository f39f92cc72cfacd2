"""The key of a cost table."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.types import Precision, RuntimeName


@dataclass(frozen=True, kw_only=True)
class TableKey:
    """The conditions that a table's figures depend on besides the operator."""

    fingerprint: str
    runtime: RuntimeName
    runtime_version: str
    precision: Precision
    threads: int
