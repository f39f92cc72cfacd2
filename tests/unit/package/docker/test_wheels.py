"""Pinned wheels."""

from __future__ import annotations

from edgekit.config.resources import shipped
from edgekit.package.docker.image import FAMILIES
from tests.unit.package.docker.test_image import REPOSITORY


def test_every_version_is_pinned_and_the_one_edgekit_is_tested_with() -> None:
    constraints = (REPOSITORY / "constraints.txt").read_text().splitlines()
    tested = dict(line.split("==") for line in constraints if "==" in line)
    for family in FAMILIES.values():
        for runtime in family.runtimes:
            text = (shipped("docker") / f"{runtime}.txt").read_text()
            _, *lines = text.replace("\\\n", "").splitlines()
            for line in lines:
                pin, *hashes = line.split()
                name, version = pin.split("==")
                assert tested.get(name, version) == version, line
                assert hashes and all(h.startswith("--hash=sha256:") for h in hashes)
