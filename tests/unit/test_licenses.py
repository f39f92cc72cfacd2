"""Licenses of the pinned packages."""

from __future__ import annotations

import re
from importlib import metadata

from tools import licenses


def test_every_installed_pin_declares_a_license_that_apache_code_can_use() -> None:
    found = {}
    for name in licenses.pinned():
        try:
            found[name] = licenses.license_of(name)
        except metadata.PackageNotFoundError:
            continue
    assert len(found) > 50
    assert not [name for name, license in found.items() if not license]
    strong = re.compile(r"\bA?GPL|Affero|Non-?Commercial|Proprietary", re.I)
    assert not {n: x for n, x in found.items() if strong.search(x or "")}
