"""Figures of different conditions lie in different tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cost.tables import CONV, table


@pytest.mark.parametrize(
    "changed",
    [
        {"fingerprint": "there"},
        {"runtime": "onnxruntime"},
        {"runtime_version": "2"},
        {"precision": "int8"},
        {"threads": 2},
    ],
)
def test_tables_do_not_mix(tmp_path: Path, changed: dict[str, object]) -> None:
    table(tmp_path).measure([CONV], None)
    assert CONV in table(tmp_path)
    assert CONV not in table(tmp_path, **changed)
    assert CONV not in table(tmp_path, "counted")
