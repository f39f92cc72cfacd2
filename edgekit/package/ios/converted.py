"""A file of a bundle for a runtime that is part of Apple's systems: converted, not run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.package.opened import Bundle
from edgekit.runtimes import registry

_PART = "apple"


@dataclass(frozen=True, kw_only=True)
class Converted:
    """The artifact that goes beside the one whose runtime comes with the application."""

    artifact: str
    """Its name."""
    files: Mapping[str, bytes]
    """By their path in the application's resources."""
    inputs: Sequence[Mapping[str, Any]]
    outputs: Sequence[Mapping[str, Any]]

    @property
    def size_bytes(self) -> int:
        """Bytes of its files."""
        return sum(map(len, self.files.values()))


def beside(bundle: Bundle) -> Converted | None:
    """The preferred one of a bundle; `None` where it has none."""
    found = [
        one["artifact"]
        for one in bundle.report.get("converted", ())
        if registry.get(one["artifact"]["runtime"]).has(_PART)
    ]
    if not found:
        return None
    part = registry.get(found[0]["runtime"]).part(_PART)
    preferred = [one for one in found if one["precision"] == part.PREFERRED]
    chosen = [*preferred, *found][0]
    content = part.files(bundle.folder / chosen["files"][0])
    return Converted(
        artifact=chosen["name"],
        files={f"model{part.FOLDER}/{path}": data for path, data in content.items()},
        inputs=chosen["inputs"],
        outputs=chosen["outputs"],
    )
