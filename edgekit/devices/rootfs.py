"""Another processor's Python and runtimes in a folder, for an emulator to run.

Debian's packages are unpacked and wheels of that architecture laid beside them: no root, no
container, nothing of the foreign architecture runs while it is made. It is made once and kept.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Literal

from edgekit import child, store
from edgekit.devices.apt import RELEASE, Apt, run
from edgekit.runtimes import registry
from edgekit.scratch import folder as scratch_folder
from edgekit.store import Store

Arch = Literal["aarch64", "armv7l"]
OnProgress = Callable[[int, int, str], None]

_PYTHON = "3.11"
_TIMEOUT_S = 900.0
_NUMPY = "2.4.6"
"""Programs for the root folder where this machine has no version of its own to match."""


@dataclass(frozen=True, kw_only=True)
class _Userland:
    debian: str
    """Debian's name of the architecture."""
    packages: tuple[str, ...]
    wheels: tuple[str, ...]
    """Beside those of the runtimes."""
    platforms: tuple[str, ...]


_USERLANDS: Mapping[Arch, _Userland] = {
    "aarch64": _Userland(
        debian="arm64",
        packages=("python3", "python3-distutils", "libstdc++6", "libgcc-s1"),
        wheels=("numpy",),
        platforms=tuple(
            f"manylinux_2_{minor}_aarch64" for minor in (34, 31, 28, 27, 26, 24, 17)
        ),
    ),
    # No wheel of numpy or LiteRT for armv7 exists: Debian's numpy and tflite-runtime do.
    "armv7l": _Userland(
        debian="armhf",
        packages=("python3", "python3-distutils", "python3-numpy", "libstdc++6"),
        wheels=(),
        platforms=("manylinux_2_34_armv7l",),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Rootfs:
    """Where an architecture's programs lie, and a name that changes with what is in there."""

    path: Path
    name: str

    @property
    def python(self) -> Path:
        """The path of its Python."""
        return self.path / f"usr/bin/python{_PYTHON}"

    def environment(self) -> dict[str, str]:
        """Variables that its Python needs to find itself and the runtimes."""
        return {
            "PYTHONHOME": str(self.path / "usr"),
            "PYTHONPATH": str(self.path / "wheels"),
        }


def name(arch: Arch) -> str:
    """A name for what `rootfs(arch)` holds, known before it is made."""
    userland = _userland(arch)
    return store.key(RELEASE, userland, _requirements(userland))[:12]


def runtimes(arch: Arch) -> dict[str, str]:
    """The runtimes that `rootfs(arch)` holds, by EdgeKit's names, and their versions."""
    return {name: _version(registry.get(name).package) for name in registry.on(arch)}


def _userland(arch: Arch) -> _Userland:
    """With the wheels of the runtimes that have some for the architecture."""
    own = _USERLANDS[arch]
    packages = (registry.get(name).package for name in registry.on(arch))
    return replace(own, wheels=(*own.wheels, *packages))


def rootfs(arch: Arch, kept: Store, on_progress: OnProgress | None = None) -> Rootfs:
    """The architecture's userland, made where it is not there yet.

    Raises `DeviceError` where this machine's apt or pip cannot get it.
    """
    tell = on_progress or (lambda done, total, note: None)

    def write(folder: Path) -> None:
        userland = _userland(arch)
        with scratch_folder() as scratch:
            tell(0, 5, "package index")
            apt = Apt(Path(scratch), userland.debian)
            apt.update()
            tell(1, 5, "packages")
            archives = apt.download(userland.packages)
            tell(2, 5, "unpack")
            for archive in archives:
                run(["dpkg-deb", "-x", str(archive), str(folder)])
        _settle(folder)
        tell(3, 5, "runtimes")
        _install(userland, folder / "wheels")
        tell(4, 5, "compile")
        _compile(folder)
        tell(5, 5, "")

    found = kept.keep("rootfs", f"{arch}-{name(arch)}", write)
    return Rootfs(path=found, name=name(arch))


def _settle(folder: Path) -> None:
    """Steps that packages would have done when installed: numpy's libraries behind
    alternatives."""
    for library in ("blas/libblas.so.3", "lapack/liblapack.so.3"):
        for file in folder.glob(f"usr/lib/*-linux-*/{library}"):
            (file.parent.parent / file.name).symlink_to(library)


def _install(userland: _Userland, folder: Path) -> None:
    platforms = [f"--platform={platform}" for platform in userland.platforms]
    # armv7's numpy is Debian's, so tflite-runtime must not ask for another.
    alone = [] if "numpy" in userland.wheels else ["--no-deps"]
    run(
        [
            *child.python("-m", "pip", "install", "--quiet"),
            *("--disable-pip-version-check", "--no-compile", "--only-binary=:all:"),
            "--retries=1",
            *(f"--python-version={_PYTHON}", "--implementation=cp"),
            *(f"--target={folder}", *alone, *platforms, *_requirements(userland)),
        ],
        child.foreign_environment(),
    )


def _compile(folder: Path) -> None:
    """Python's modules as byte code: an emulated interpreter takes seconds to compile them.

    Byte code is of one minor version; where this Python is another, they stay as they are.
    """
    if f"{sys.version_info.major}.{sys.version_info.minor}" == _PYTHON:
        subprocess.run(
            [
                *child.python("-m", "compileall", "-q"),
                *(str(folder / f"usr/lib/python{_PYTHON}"), str(folder / "wheels")),
            ],
            env=child.foreign_environment(),
            capture_output=True,
            check=False,  # packages carry files that are meant not to compile
            timeout=_TIMEOUT_S,
        )


def _requirements(userland: _Userland) -> list[str]:
    """The wheels in the versions this machine has, so that both run the same runtime."""
    return [f"{package}=={_version(package)}" for package in userland.wheels]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        known = {o.package: o.version for o in registry.known().values() if o.version}
        return known.get(package, _NUMPY)
