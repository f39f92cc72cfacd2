"""Tables of benchmarks on disk: `benchmarks/results/NAME.json`, written row by row.

A benchmark that was interrupted goes on with the rows that are missing.
"""

from __future__ import annotations

import datetime
import fcntl
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"
Row = dict[str, Any]


class Table:
    """Rows by their key columns, and a summary with the machine, versions and date."""

    def __init__(
        self,
        name: str,
        keys: Sequence[str],
        packages: Sequence[str],
        folder: Path = FOLDER,
    ) -> None:
        self.path = folder / f"{name}.json"
        self.keys = tuple(keys)
        self.packages = tuple(packages)
        self.rows: dict[tuple[Any, ...], Row] = {}
        self._read()

    def find(self, **key: Any) -> Row | None:
        self._read()
        return self.rows.get(self._key(key))

    def add(
        self, row: Row, summarize: Callable[[list[Row]], Mapping[str, Any]]
    ) -> None:
        """Add or replace a row and write the file, whole or not at all.

        Others may add rows of theirs to the same file meanwhile.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            self._read()
            self.rows[self._key(row)] = row
            rows = list(self.rows.values())
            content = {"rows": rows, "summary": {**summarize(rows), **self._context()}}
            partial = self.path.with_suffix(".partial")
            partial.write_text(json.dumps(content, indent=1) + "\n")
            partial.replace(self.path)
        finally:
            os.close(folder)

    def _read(self) -> None:
        if self.path.is_file():
            for row in json.loads(self.path.read_text())["rows"]:
                self.rows[self._key(row)] = row

    def _key(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(row[key] for key in self.keys)

    def _context(self) -> Row:
        versions = {name: importlib.metadata.version(name) for name in self.packages}
        return {
            "machine": f"{processor()}, {os.cpu_count()} cores",
            "versions": {"python": platform.python_version(), **versions},
            "date": datetime.date.today().isoformat(),
        }


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if os.name == "posix" else []
    names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()
