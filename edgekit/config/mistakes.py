"""Mistakes in a document, each once, from those that pydantic finds.

Pydantic has one for each kind that a value may be of (`float | Literal["auto"]`), at a place that
goes on with the kind's name (https://docs.pydantic.dev/latest/errors/errors).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import ErrorDetails

Key = tuple[str | int, ...]
"""Where a value is: `("input", "shape", 0)` is `input.shape[0]`."""
OF_A_KEY = "[key]"
"""Pydantic's mark for a mapping's key itself."""


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A value that is of no kind that it may be of, or a key that is missing or unknown."""

    key: Key
    details: tuple[ErrorDetails, ...]
    """Of each kind."""

    @property
    def kind(self) -> str:
        """Pydantic's name of the first."""
        return self.details[0]["type"]


def mistakes(
    details: Sequence[ErrorDetails], document: Mapping[str, Any]
) -> list[Mistake]:
    """The mistakes in a document, by place."""
    found: dict[Key, list[ErrorDetails]] = {}
    several: set[Key] = set()
    for detail in details:
        key = _key(detail, document)
        found.setdefault(key, []).append(detail)
        if len(key) < len(detail["loc"]) - 1:
            several.add(key)
    # A table with a mistake inside is meant as a table: the other kinds are left out.
    inside = {key[:end] for key in found for end in range(len(key))}
    return [
        Mistake(key=key, details=tuple(each))
        for key, each in found.items()
        if key not in several & inside
    ]


def _key(detail: ErrorDetails, document: Mapping[str, Any]) -> Key:
    """The place of a mistake without names of kinds."""
    key: Key = ()
    value: Any = document
    parts = detail["loc"][1:]
    for number, part in enumerate(parts, 1):
        if _has(value, part):
            value, key = value[part], (*key, part)
        elif number == len(parts) and (detail["type"] == "missing" or part == OF_A_KEY):
            key = (*key, part)
    return key


def _has(value: Any, part: str | int) -> bool:
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)
