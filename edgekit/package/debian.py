"""Debian packages for another processor, by extraction: no root, no scripts, nothing emulated."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from edgekit.errors import RuntimeMissing
from edgekit.package.layers import Entry, Tree, unpacked
from edgekit.package.wheels import Component

RELEASE = "bookworm"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armhf"}
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_MIRROR = "http://deb.debian.org/debian"
_CONFIGURATION = """\
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Sandbox::User "";
Debug::NoLocking "1";
Acquire::Languages "none";
Acquire::Retries "3";
Dir "{root}";
Dir::State "{root}";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Dir::Log "{root}/log";
Dir::Etc "{root}/etc";
Dir::Etc::parts "{root}/etc";
Dir::Etc::sourcelist "{root}/sources.list";
"""
_TIMEOUT_S = 600


def names(file: Path) -> list[str]:
    """Package names of a list, one a line; `#` begins a comment."""
    lines = (line.partition("#")[0].strip() for line in file.read_text().splitlines())
    return [line for line in lines if line]


def fetch(
    packages: Iterable[str], machine: str, part: str | None = None
) -> tuple[Tree, list[Component]]:
    """The files of exactly these packages, and their names and versions.

    Each is a part of its own, or all are `part`. `EDGEKIT_DEBIAN_MIRROR` names another mirror
    (one of snapshot.debian.org fixes the versions). Raises `RuntimeMissing`.
    """
    _need_apt()
    arch = ARCHITECTURES[machine]
    with tempfile.TemporaryDirectory(prefix="edgekit-debian-") as name:
        root = Path(name)
        environment = _configured(root, arch)
        _run(["apt-get", "-qq", "update"], root, environment)
        _run(["apt-get", "-qq", "download", *packages], root, environment)
        tree: Tree = {}
        components = []
        for deb in sorted(root.glob("*.deb")):
            component = _component(deb, arch)
            components.append(component)
            archive = _output(["dpkg-deb", "--fsys-tarfile", str(deb)])
            tree |= unpacked(archive, part or component.name)
    return {**tree, **_alternatives(tree)}, components


def _need_apt() -> None:
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            raise RuntimeMissing(
                f"Debian packages are taken apart with {tool}, which is missing here. "
                "Use the builder image: docker/builder.Dockerfile."
            )


def _configured(root: Path, arch: str) -> dict[str, str]:
    """An apt of its own, which knows one architecture and one release, and touches no other."""
    for folder in ("lists/partial", "cache/archives/partial", "log", "etc"):
        (root / folder).mkdir(parents=True)
    (root / "status").touch()
    mirror = os.environ.get("EDGEKIT_DEBIAN_MIRROR", _MIRROR)
    signed = f"[signed-by={_KEYRING} check-valid-until=no]"
    sources = [f"deb {signed} {mirror} {suite} main" for suite in _suites(mirror)]
    (root / "sources.list").write_text("\n".join(sources) + "\n")
    configuration = root / "apt.conf"
    configuration.write_text(_CONFIGURATION.format(arch=arch, root=root))
    return {**os.environ, "APT_CONFIG": str(configuration), "LC_ALL": "C"}


def _suites(mirror: str) -> Sequence[str]:
    return (RELEASE, f"{RELEASE}-updates")


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeMissing(
            f"{' '.join(command[:3])} did not finish within {_TIMEOUT_S} s. "
            "Name another mirror in EDGEKIT_DEBIAN_MIRROR."
        ) from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        reason = lines[-1] if lines else done.stderr.strip()[-200:]
        raise RuntimeMissing(
            f"{' '.join(command[:3])} failed ({reason}). "
            "Check the network, or name another mirror in EDGEKIT_DEBIAN_MIRROR."
        )


def _output(command: list[str]) -> bytes:
    return subprocess.run(command, capture_output=True, check=True).stdout


def _component(deb: Path, arch: str) -> Component:
    fields = _output(["dpkg-deb", "--field", str(deb), "Package", "Version"]).decode()
    name, version = (line.partition(": ")[2] for line in fields.splitlines())
    return Component(
        name=name,
        version=version,
        purl=f"pkg:deb/debian/{name}@{version}?arch={arch}&distro={RELEASE}",
        sha256=hashlib.sha256(deb.read_bytes()).hexdigest(),
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
