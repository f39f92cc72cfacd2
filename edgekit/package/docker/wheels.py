"""Wheels for another processor, without running anything of it: pip picks them by platform."""

from __future__ import annotations

import email.parser
import hashlib
import subprocess
import zipfile
from pathlib import Path

from edgekit import child
from edgekit.errors import RuntimeMissing
from edgekit.package.docker.layers import Entry, Tree
from edgekit.package.sbom import Component
from edgekit.store import Store, key

_GLIBC = range(17, 37)
"""Versions 2.17 to 2.36, Debian 12's: the tags of wheels that run there."""
_TIMEOUT_S = 900


def fetch(
    requirements: Path, machine: str, at: str, store: Store
) -> tuple[Tree, list[Component]]:
    """The files of the wheels that `requirements` pins, placed at `at` in the image.

    `machine` is `x86_64`, `aarch64` or `armv7l`. Raises `RuntimeMissing` with pip's last line.
    """
    name = key(requirements.read_text(), machine)
    folder = store.keep(
        "wheels", name, lambda partial: _download(requirements, machine, partial)
    )
    tree: Tree = {}
    components = []
    for wheel in sorted(folder.glob("*.whl")):
        component, files = _opened(wheel, at)
        components.append(component)
        tree |= files
    return tree, components


def _download(requirements: Path, machine: str, folder: Path) -> None:
    tags = [f"manylinux_2_{minor}_{machine}" for minor in reversed(_GLIBC)]
    if machine != "armv7l":
        tags.append(f"manylinux2014_{machine}")
    command = [
        *child.python("-m", "pip", "download", "--quiet", "--no-deps"),
        "--require-hashes",
        *("--disable-pip-version-check", "--only-binary=:all:"),
        *("--python-version", "3.11", "--implementation", "cp"),
        *("--abi", "cp311", "--abi", "abi3", "--abi", "none"),
        *(part for tag in (*tags, "any") for part in ("--platform", tag)),
        *("--dest", str(folder), "--requirement", str(requirements)),
    ]
    try:
        done = subprocess.run(
            command,
            env=child.foreign_environment(),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeMissing(
            f"pip did not finish within {_TIMEOUT_S} s. Check the package index."
        ) from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        last = lines[-1].removeprefix("ERROR: ") if lines else done.stderr[-200:]
        raise RuntimeMissing(
            f"Cannot fetch the wheels of {requirements.name} for {machine} ({last.strip()}). "
            "Check the package index; a private certificate goes into PIP_CERT."
        )


def sha256(file: Path) -> str:
    """SHA-256 of a file, in hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _opened(wheel: Path, at: str) -> tuple[Component, Tree]:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        about = next(n for n in names if n.endswith(".dist-info/METADATA"))
        metadata = email.parser.BytesParser().parsebytes(archive.read(about))
        name, version = metadata["Name"].lower().replace("_", "-"), metadata["Version"]
        component = Component(
            name=name,
            version=version,
            purl=f"pkg:pypi/{name}@{version}",
            digest=sha256(wheel),
            license=_license(metadata),
        )
        files = {
            f"{at}/{_placed(entry)}": Entry(part=name, content=archive.read(entry))
            for entry in names
        }
    return component, files


def _placed(name: str) -> str:
    """Where pip would put a file of a wheel: `x.data/purelib/y` goes to `y`."""
    first, _, rest = name.partition("/")
    return rest.partition("/")[2] if first.endswith(".data") else name


def _license(metadata: email.message.Message) -> str | None:
    """The SPDX expression, where the package declares one."""
    return metadata.get("License-Expression")
