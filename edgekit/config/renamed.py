"""Keys and values of project files that have a new name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

KEYS: Mapping[str, str] = {"colour": "color", "quantise": "quantize"}
"""Old keys, in any table that has the new one."""
VALUES: Mapping[str, str] = {"grey": "gray"}


def key_message(
    key: Sequence[str | int], known: Sequence[str], *, table: bool
) -> str | None:
    """State the new name of an old key at a dotted path; `None` for a key that never existed."""
    new = KEYS.get(str(key[-1]))
    if new is None or new not in known:
        return None
    before, after = (".".join(map(str, (*key[:-1], last))) for last in (key[-1], new))
    return f"[{before}] is now [{after}]." if table else f"{before} is now {after}."


def value_message(value: object, choices: Sequence[str]) -> str | None:
    """State the new name of an old value; `None` for a value that never existed."""
    new = VALUES.get(str(value))
    return f"'{value}' is now '{new}'." if new in choices else None
