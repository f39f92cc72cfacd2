"""The licenses of the packages that `requirements.lock` pins, as the packages declare them.

    python -m tools.licenses

Prints a table in Markdown; ends with 1 where an installed package declares none.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.lock"
_CLASSIFIER = "License :: OSI Approved :: "
ELSEWHERE = {"faster-coco-eval": "Apache-2.0", "torchao": "BSD-3-Clause"}
"""Packages whose metadata name none, and the license that lies in them as a file."""


def pinned(lock: Path = LOCK) -> list[str]:
    """The names of the packages."""
    return re.findall(r"^([\w.-]+)==", lock.read_text(encoding="utf-8"), re.M)


def license_of(name: str) -> str | None:
    """The declared license; `None` where there is none.

    Raises `PackageNotFoundError` for a package that is not installed here.
    """
    about = metadata.metadata(name)
    if expression := about.get("License-Expression"):
        return str(expression)
    classified = [
        each.removeprefix(_CLASSIFIER)
        for each in about.get_all("Classifier") or ()
        if each.startswith(_CLASSIFIER)
    ]
    text = (about.get("License") or "").strip().partition("\n")[0]
    return " and ".join(classified) or text or ELSEWHERE.get(name)


def main() -> None:
    """Print the table."""
    lacking = []
    print("| package | license |\n|---|---|")
    for name in pinned():
        try:
            license = license_of(name)
        except metadata.PackageNotFoundError:
            license = "not installed here"
        lacking += [] if license else [name]
        print(f"| {name} | {license or 'none declared'} |")
    sys.exit(bool(lacking))


if __name__ == "__main__":
    main()
