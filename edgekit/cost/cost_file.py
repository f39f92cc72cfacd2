"""A cost table on disk: an SQLite file that several builds may fill at once.

A digest over every row and the table's own name is renewed in each transaction. A file whose rows
do not agree with it is not believed: it is removed, and filled again.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from edgekit import store
from edgekit.errors import OutputError

_TABLES = ("cells", "networks", "facts")
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS cells (operator TEXT PRIMARY KEY, cost REAL NOT NULL, "
    "energy_mj REAL, rounds TEXT NOT NULL, anchor REAL, fraction REAL)",
    "CREATE TABLE IF NOT EXISTS networks (family TEXT NOT NULL, operators TEXT NOT NULL, "
    "cost REAL NOT NULL, PRIMARY KEY (family, operators))",
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS seal (id INTEGER PRIMARY KEY, digest TEXT NOT NULL)",
)
# Errors of a sound file where the disk, its owner or another process is in the way.
_IN_THE_WAY = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
    )
)


class CostFile:
    """Rows of `cells`, `networks` and `facts`; each change is on disk when its call returns."""

    def __init__(self, folder: Path, facts: Mapping[str, str]) -> None:
        """Opens the table that `facts` name, or makes it.

        Raises `OutputError` where the folder cannot be written.
        """
        self.path = folder / f"{store.key(*facts.values())}.sqlite"
        self._facts = dict(facts)
        with self._writing():
            folder.mkdir(parents=True, exist_ok=True)
            fault = self._fault() if self.path.exists() else None
            if fault is not None:
                store.remade(self.path, fault)
                for suffix in ("", "-journal"):
                    self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        self.put("facts", [])

    def put(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows, in the place of those with the same key."""
        with self._changing() as connection:
            for row in rows:
                marks = ", ".join("?" * len(row))
                connection.execute(
                    f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row
                )

    def forget_energy(self) -> None:
        """Remove the energy of every cell."""
        with self._changing() as connection:
            connection.execute("UPDATE cells SET energy_mj = NULL")

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """Every row of a table."""
        with self._writing(), closing(self._open()) as connection:
            return connection.execute(f"SELECT * FROM {table}").fetchall()

    def networks(self, family: str) -> list[tuple[str, float]]:
        """Operators, as JSON, and cost of each network of the family."""
        return [
            (ops, cost) for name, ops, cost in self.rows("networks") if name == family
        ]

    def facts(self) -> dict[str, str]:
        """The facts of the table: names and values."""
        return dict(self.rows("facts"))

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, in which the digest is renewed."""
        with self._writing(), closing(self._open()) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                connection.execute(statement)
            insert = "INSERT OR REPLACE INTO facts VALUES (?, ?)"
            connection.executemany(insert, self._facts.items())
            yield connection
            connection.execute(
                "INSERT OR REPLACE INTO seal VALUES (1, ?)", (self._digest(connection),)
            )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise OutputError(
                f"Cannot write the cost tables in {self.path.parent} ({error}). Set "
                "EDGEKIT_CACHE to a folder that can be written, or free some space there."
            ) from error

    def _fault(self) -> str | None:
        """The fault of the file, in words; `None` where it is as it was written."""
        try:
            with closing(self._open()) as connection:
                [found] = connection.execute("PRAGMA integrity_check(1)").fetchone()
                if found != "ok":
                    return "SQLite finds it damaged"
                facts = dict(connection.execute("SELECT name, value FROM facts"))
                if any(facts.get(k) != value for k, value in self._facts.items()):
                    return "of another device, runtime or precision"
                seal = connection.execute("SELECT digest FROM seal").fetchall()
                if seal != [(self._digest(connection),)]:
                    return "its rows are not what was written"
        except (sqlite3.Error, ValueError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _IN_THE_WAY:
                raise
            return str(error)
        return None

    def _digest(self, connection: sqlite3.Connection) -> str:
        content = hashlib.sha256(self.path.name.encode())
        for table in _TABLES:
            rows = connection.execute(f"SELECT * FROM {table}").fetchall()
            content.update(json.dumps(sorted(rows, key=repr), default=repr).encode())
        return content.hexdigest()

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=30)
