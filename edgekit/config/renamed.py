"""Keys and values of project files that have a new name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

KEYS: Mapping[str, Sequence[str]] = {
    "aware": ("qat",),
    "aware_epochs": ("qat_epochs",),
    "colour": ("color",),
    "cost_source": ("cost_provenance",),
    "quantise": ("quantize",),
    "settings_s": ("runtime_options_s",),
    "source": ("provenance", "data"),
    "validation_share": ("validation_fraction",),
}
"""Old keys, and the new ones, in any table that has one of these."""
VALUES: Mapping[str, str] = {"grey": "gray"}


def key_message(
    key: Sequence[str | int], known: Sequence[str], *, table: bool
) -> str | None:
    """State the new name of an old key at a dotted path; `None` for a key that never existed."""
    names = KEYS.get(str(key[-1]), ())
    new = next((name for name in names if name in known), None)
    if new is None:
        return None
    before, after = (".".join(map(str, (*key[:-1], last))) for last in (key[-1], new))
    return f"[{before}] is now [{after}]." if table else f"{before} is now {after}."


def value_message(value: object, choices: Sequence[str]) -> str | None:
    """State the new name of an old value; `None` for a value that never existed."""
    new = VALUES.get(str(value))
    return f"'{value}' is now '{new}'." if new in choices else None
