"""The operators of an exported file, and which of them a runtime lacks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.runtimes import registry
from edgekit.types import RuntimeName
from edgekit.types.export_notes import Incompatibility


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator of a file. `names` are those of its outputs, then of its inputs."""

    kind: str
    code: int | None
    version: int
    names: tuple[str, ...]
    in_float: bool
    static: bool


@dataclass(frozen=True, kw_only=True)
class Table:
    """Operators that one release of a runtime reads, from its own listing: versions by
    operator's code."""

    runtime: str
    version: str
    operators: Mapping[int, frozenset[int]]

    def lacks(self, operator: Operator) -> Incompatibility | None:
        """Why the runtime does not read the operator; `None` where it does."""
        if operator.code is None:
            return None
        known = self.operators.get(operator.code)
        if not known:
            return Incompatibility(
                cause="operator_missing", by=self.release, operator=operator.kind
            )
        if operator.version not in known:
            return Incompatibility(
                cause="operator_too_new",
                by=self.release,
                operator=operator.kind,
                version=operator.version,
                supported=max(known),
            )
        return None

    @property
    def release(self) -> str:
        """The runtime with its version."""
        return f"{self.runtime} {self.version}"


def table(runtime: RuntimeName, version: str) -> Table | None:
    """The table of a release, in the runtime's folder; `None` where there is none."""
    path = registry.get(runtime).folder / f"operators-{version}.json"
    if not path.is_file():
        return None
    content = json.loads(path.read_text("utf-8"))
    return Table(
        runtime=content["runtime"],
        version=content["version"],
        operators={int(c): frozenset(v) for c, v in content["operators"].items()},
    )


def of_file(runtime: RuntimeName, path: Path) -> list[Operator]:
    """The operators of a runtime's file, in order; none where it has no reader of them."""
    found = registry.get(runtime)
    read = found.part("operators").read if found.has("operators") else _none
    return list(read(path))


def opset_of(runtime: RuntimeName, path: Path) -> int | None:
    """The version of the operators that a file asks for; `None` where its format has none."""
    found = registry.get(runtime)
    parts = found.part("operators") if found.has("operators") else None
    read = getattr(parts, "opset", None)
    return None if read is None else int(read(path))


def _none(path: Path) -> list[Operator]:
    return []
