"""A runtime for a device that has none: wheels chosen and fetched here, unpacked there.

The device needs neither network, pip nor venv. This machine's own configuration names pip's
index (PIP_INDEX_URL, PIP_FIND_LINKS, PIP_NO_INDEX).
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from edgekit import child
from edgekit.config.resources import shipped
from edgekit.errors import RuntimeMissing
from edgekit.runtimes import registry
from edgekit.store import Store, key

_LISTED = (3, 11)
_ENTRY = re.compile(
    r"^(?P<pin>(?P<name>[\w.-]+)==\S+)(?: \\\n +--hash=\S+)+\n", re.MULTILINE
)
_OLDEST_GLIBC = 17
_DOWNLOAD_S = 600
_WITHOUT_NUMPY = ("armv7l",)
"""Where numpy has no wheel the device's own is used: `apt install python3-numpy`."""


@dataclass(frozen=True, kw_only=True)
class DevicePython:
    """The properties that select wheels for a device's Python."""

    version: tuple[int, int]
    arch: str
    glibc: tuple[int, int] | None


def requirements(runtime: str, python: DevicePython) -> tuple[str, ...]:
    """What to install: the runtime in the version that is installed here, and what it needs."""
    one = registry.get(runtime)
    needs = () if python.arch in _WITHOUT_NUMPY else one.needs
    version = one.version if one.final else _installed(one.package)
    return (f"{one.package}=={version}" if version else one.package, *needs)


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def tags(python: DevicePython) -> list[str]:
    """pip's arguments that select wheels for this Python."""
    major, minor = python.version
    libc, newest = python.glibc or (2, _OLDEST_GLIBC)
    platforms = [
        f"manylinux_{libc}_{number}_{python.arch}"
        for number in range(newest, _OLDEST_GLIBC - 1, -1)
    ]
    platforms += [f"manylinux2014_{python.arch}", f"linux_{python.arch}"]
    chosen = [f"--platform={platform}" for platform in platforms]
    abis = [f"--abi=cp{major}{minor}", "--abi=abi3", "--abi=none"]
    return [f"--python-version={major}.{minor}", "--implementation=cp", *abis, *chosen]


def fetch(runtime: str, python: DevicePython, device: str) -> tuple[str, list[Path]]:
    """The name of the environment and its wheels, fetched once and kept in the cache."""
    requested = requirements(runtime, python)
    hashed = _hashed(runtime, python, requested)
    name = key("wheels", requested, hashed, python.version, python.arch, python.glibc)

    def download(folder: Path) -> None:
        command = child.python("-m", "pip", "download", "--quiet", "--dest")
        command += [str(folder), "--disable-pip-version-check", "--only-binary=:all:"]
        if python.arch in _WITHOUT_NUMPY or hashed:
            command.append("--no-deps")
        asked = (
            ["--require-hashes", "--requirement", "/dev/stdin"] if hashed else requested
        )
        done = subprocess.run(
            [*command, *tags(python), *asked],
            input=hashed,
            capture_output=True,
            text=True,
            timeout=_DOWNLOAD_S,
            check=False,
            env=child.foreign_environment(),
        )
        if done.returncode:
            last = [line for line in done.stderr.splitlines() if "ERROR" in line]
            raise RuntimeMissing(
                f"{device} has no {runtime}, and no wheels of {' '.join(requested)} for "
                f"Python {python.version[0]}.{python.version[1]} on {python.arch} could be "
                f"fetched here ({last[0].strip() if last else 'pip failed'}). Install it on "
                "the device, or put wheels in a folder that PIP_FIND_LINKS names."
            )

    folder = Store().keep("wheels", name, download)
    return name, sorted(folder.glob("*.whl"))


def _hashed(runtime: str, python: DevicePython, requested: Sequence[str]) -> str | None:
    """The same as lines with hashes, where the list of the runtime's image holds them.

    Images have one Python; for a device's other one, or a runtime in another version than the
    release was made with, nobody has listed hashes.
    """
    lists = shipped("docker") / f"{runtime}.txt"
    if python.version != _LISTED or not lists.is_file():
        return None
    listed = {
        entry.group(name): entry.group(0)
        for entry in _ENTRY.finditer(lists.read_text())
        for name in ("pin", "name")
    }
    lines = [listed.get(one) for one in requested]
    return None if None in lines else "".join(line for line in lines if line)


def digest(file: Path) -> str:
    """SHA-256 of a file, in hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
