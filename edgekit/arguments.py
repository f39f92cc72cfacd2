"""Values from outside that become arguments of processes: never an option in disguise."""

from __future__ import annotations

import re

from edgekit.safe_io import ErrorKind

_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,254}")


def check_value(value: str, what: str, error: ErrorKind) -> None:
    """Raise `error` for a value that a program would take for an option, or for two lines."""
    if value.startswith("-"):
        raise error(f"{what[:1].upper()}{what[1:]} begins with '-'. Name it without.")
    if not value.isprintable():
        raise error(f"{what[:1].upper()}{what[1:]} holds control characters.")


def check_image(name: str, what: str, error: ErrorKind) -> None:
    """Raise `error` unless `name` can be an image of a registry."""
    if not _IMAGE.fullmatch(name):
        raise error(
            f"{what} names no image ({name[:80]!r}). Write REGISTRY/NAME:TAG: letters, digits "
            "and ._-:/@, a letter or digit first."
        )
