"""Bills of materials."""

from __future__ import annotations

import json
import re

from edgekit.package.sbom import Component, Subject, document

SUBJECT = Subject(name="x", kind="container", epoch=5)


def test_a_bill_is_the_same_for_the_same_content() -> None:
    one = Component(name="a", version="1", purl="pkg:pypi/a@1", digest="0" * 64)
    two = Component(name="b", version="2", purl="pkg:pypi/b@2", digest="1" * 64)
    first = document(SUBJECT, [one, two], [("m", "2" * 64)])
    assert first == document(SUBJECT, [two, one], [("m", "2" * 64)])
    assert first != document(SUBJECT, [one], [("m", "2" * 64)])
    bill = json.loads(first)
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])
    assert bill["components"][0]["hashes"] == [{"alg": "SHA-256", "content": "0" * 64}]
