"""Bills of materials."""

from __future__ import annotations

import json
import re

from edgekit.package.docker.sbom import document
from edgekit.package.docker.wheels import Component


def test_a_bill_is_the_same_for_the_same_content() -> None:
    one = Component(name="a", version="1", purl="pkg:pypi/a@1", sha256="0" * 64)
    two = Component(name="b", version="2", purl="pkg:pypi/b@2", sha256="1" * 64)
    first = document("x", [one, two], [("m", "2" * 64)], 5)
    assert first == document("x", [two, one], [("m", "2" * 64)], 5)
    assert first != document("x", [one], [("m", "2" * 64)], 5)
    bill = json.loads(first)
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])
    assert bill["components"][0]["hashes"] == [{"alg": "SHA-256", "content": "0" * 64}]
