"""Debian packages for another processor, by extraction: no root, no scripts, nothing emulated."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

from edgekit.devices.apt import RELEASE, Apt, run
from edgekit.package.docker.layers import Entry, Tree, unpacked
from edgekit.package.sbom import Component
from edgekit.scratch import folder as scratch_folder

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armhf"}


def names(file: Path) -> list[str]:
    """The lines of a list; `#` begins a comment."""
    lines = (line.partition("#")[0].strip() for line in file.read_text().splitlines())
    return [line for line in lines if line]


def fetch(
    packages: Iterable[str], machine: str, part: str | None = None
) -> tuple[Tree, list[Component]]:
    """The files of exactly these packages, and their names and versions.

    Each is a part of its own, or all are `part`. Raises `DeviceError`.
    """
    arch = ARCHITECTURES[machine]
    tree: Tree = {}
    components = []
    with scratch_folder() as name:
        apt = Apt(Path(name), arch)
        apt.update()
        for deb in apt.fetch(list(packages)):
            component = _component(deb, arch)
            components.append(component)
            tree |= unpacked(_files(deb), part or component.name)
    return {**tree, **_alternatives(tree)}, components


def _files(deb: Path) -> bytes:
    """The tar inside a package."""
    command = ["dpkg-deb", "--fsys-tarfile", str(deb)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def _component(deb: Path, arch: str) -> Component:
    fields = run(["dpkg-deb", "--field", str(deb), "Package", "Version"])
    name, version = (line.partition(": ")[2] for line in fields.splitlines())
    return Component(
        name=name,
        version=version,
        purl=f"pkg:deb/debian/{name}@{version}?arch={arch}&distro={RELEASE}",
        digest=hashlib.sha256(deb.read_bytes()).hexdigest(),
    )


def _alternatives(tree: Tree) -> Tree:
    """The links a package's scripts would have made, had they run."""
    links: Tree = {}
    for path, entry in tree.items():
        for library in ("blas", "lapack"):
            if path.endswith(f"/{library}/lib{library}.so.3"):
                place = path.replace(f"/{library}/lib{library}", f"/lib{library}")
                target = f"{library}/lib{library}.so.3"
                links[place] = Entry(part=entry.part, link=target)
    return links
