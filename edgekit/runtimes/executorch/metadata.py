"""Metadata of an ExecuTorch file, behind its end: the runtime reads what its header measures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.agent.runtimes.executorch import MARK, program_of, trailer
from edgekit.runtimes.contract import KEY, Contract


def with_trailer(content: bytes, values: Mapping[str, Any]) -> bytes:
    """The program of a file with `values` behind it, in place of those that are there."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False).encode()
    return program_of(content) + text + len(text).to_bytes(8, "little") + MARK


def embed(path: Path, out: Path, contract: Contract, text: str) -> None:
    """Write the file at `path` to `out` with `text` in it."""
    content = path.read_bytes()
    out.write_bytes(with_trailer(content, {**trailer(content), KEY: text}))


def extract(path: Path) -> str | None:
    """The text in the file; `None` where it holds none."""
    found = trailer(path.read_bytes()).get(KEY)
    return found if isinstance(found, str) else None
