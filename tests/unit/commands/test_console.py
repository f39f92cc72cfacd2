"""Figures in words, and values as JSON."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from edgekit.commands.console import Bars, figure, ms, plain


@pytest.mark.parametrize(
    ("value", "expected"), [(None, "too few samples"), (0.123456, "0.1235 ms")]
)
def test_milliseconds(value: float | None, expected: str) -> None:
    assert ms(value) == expected


def test_a_missing_figure_is_not_zero() -> None:
    assert figure(None, "MiB") == "not measured"
    assert figure(0.0, "MiB") == "0 MiB"


@dataclass(frozen=True)
class _Found:
    file: Path
    values: tuple[float, ...]


def test_records_become_json_types() -> None:
    found = _Found(file=Path("model.onnx"), values=(1.0, 2.0))
    assert plain(found) == {"file": "model.onnx", "values": [1.0, 2.0]}


def test_a_line_keeps_the_keys_it_names() -> None:
    """The terminal must not take `[recipe]` for markup."""
    shown = io.StringIO()
    Bars(Console(file=shown), silent=False).say("30 min ([recipe] minutes)")
    assert shown.getvalue() == "30 min ([recipe] minutes)\n"
