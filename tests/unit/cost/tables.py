"""Tables of one operator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgekit.cost.table import CostTable
from edgekit.cost.table_key import TableKey
from edgekit.types import Provenance
from edgekit.types.operator_shape import OperatorShape

KEY = TableKey(
    fingerprint="here",
    runtime="litert",
    runtime_version="1",
    precision="fp32",
    threads=1,
)


CONV = OperatorShape(kind="conv", inputs=16, outputs=10, size=(8, 8), kernel=(1, 1))


def table(
    root: Path, provenance: Provenance = "estimated", **changed: object
) -> CostTable:
    return CostTable(replace(KEY, **changed), provenance, root, tile=8)  # type: ignore[arg-type]
