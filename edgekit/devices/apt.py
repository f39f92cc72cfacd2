"""Debian's package tool with every path of its own: it touches nothing of this machine.

It fetches packages of one architecture, which need not be this machine's, without root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekit.errors import DeviceError

RELEASE = "bookworm"
MIRROR = "EDGEKIT_DEBIAN_MIRROR"
"""Environment variable that names a mirror; one of snapshot.debian.org fixes all versions."""
_MIRROR = "http://deb.debian.org/debian"
_KEY = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_TIMEOUT_S = 900.0


class Apt:
    """The packages of one architecture, named as Debian does (`arm64`, `armhf`)."""

    def __init__(self, folder: Path, arch: str) -> None:
        """`folder` takes indices and archives; raises `DeviceError` where the tools lack."""
        if not _KEY.is_file():
            raise DeviceError(
                f"Debian's packages cannot be checked without {_KEY}. "
                "Install it: apt-get install debian-archive-keyring"
            )
        for needed in ("lists/partial", "cache/archives/partial", "log"):
            (folder / needed).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text(
            f"deb [signed-by={_KEY} check-valid-until=no] {_mirror()} {RELEASE} main\n"
        )
        settings = {
            "APT::Architecture": arch,
            "APT::Architectures": arch,
            "APT::Install-Recommends": "0",
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            # Without a network this has to fail soon: something else can be done then.
            "Acquire::http::Timeout": "30",
            "Acquire::https::Timeout": "30",
            "Acquire::Retries": "3",
            "Debug::NoLocking": "1",
            "Dir::State": folder,
            "Dir::State::lists": folder / "lists",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
            "Dir::Log": folder / "log",
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "/nonexistent",
            "Dir::Etc::preferencesparts": "/nonexistent",
        }
        self._folder = folder
        self._settings = folder / "apt.conf"
        self._settings.write_text(
            "".join(f'{name} "{value}";\n' for name, value in settings.items())
        )

    def update(self) -> None:
        """Fetch the package lists; raises `DeviceError`."""
        self._run("update")

    def download(self, packages: Sequence[str]) -> list[Path]:
        """Archives of the packages and of all they depend on."""
        self._run("install", "--download-only", "--yes", *packages)
        return sorted((self._folder / "cache/archives").glob("*.deb"))

    def fetch(self, packages: Sequence[str]) -> list[Path]:
        """Archives of exactly these packages."""
        place = self._folder / "exact"
        place.mkdir()
        self._run("download", *packages, folder=place)
        return sorted(place.glob("*.deb"))

    def _run(self, *arguments: str, folder: Path | None = None) -> None:
        environment = {"APT_CONFIG": str(self._settings), "LC_ALL": "C"}
        run(["apt-get", "-qq", *arguments], environment, folder)


def _mirror() -> str:
    """The mirror that is named, that this machine is set up with, or Debian's own."""
    if named := os.environ.get(MIRROR):
        return named
    said = run(["apt-get", "indextargets", "--format", "$(SITE) $(CODENAME)"])
    for line in said.splitlines():
        site, _, codename = line.partition(" ")
        if codename == RELEASE:
            return site
    return _MIRROR


def run(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> str:
    """The output of the command; raises `DeviceError` with its error output."""
    if shutil.which(command[0]) is None:
        raise DeviceError(
            f"Another processor's programs are fetched with {command[0]}, and this machine has "
            "none. It is there on Debian 12, and in the image of docker/builder.Dockerfile."
        )
    try:
        done = subprocess.run(
            list(command),
            env={**os.environ, **(environment or {})},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceError(
            f"{' '.join(command[:4])} did not finish within {_TIMEOUT_S:g} s. "
            "Check the network and run again."
        ) from error
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.strip()]
        said = lines[-1].strip() if lines else f"exit status {error.returncode}"
        raise DeviceError(
            f"Cannot get another processor's programs: {' '.join(command[:4])} "
            f"failed ({said})."
        ) from error
    return done.stdout
