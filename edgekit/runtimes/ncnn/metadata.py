"""Metadata of an ncnn file: a line behind the layers that its head counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.agent.runtimes.ncnn import MARK, layers_of, trailer
from edgekit.runtimes.contract import KEY, Contract


def with_trailer(text: str, values: Mapping[str, Any]) -> str:
    """The layers of a `.param` with `values` behind them, in place of those that are there."""
    return f"{layers_of(text)}{MARK}{json.dumps(values, sort_keys=True)}\n"


def embed(path: Path, out: Path, contract: Contract, text: str) -> None:
    """Write the file at `path` to `out` with `text` in it."""
    layers = path.read_text("utf-8")
    out.write_text(with_trailer(layers, {**trailer(layers), KEY: text}), "utf-8")


def extract(path: Path) -> str | None:
    """The text in the file; `None` where it holds none."""
    found = trailer(path.read_text("utf-8")).get(KEY)
    return found if isinstance(found, str) else None
