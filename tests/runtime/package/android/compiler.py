"""The Kotlin compiler as JetBrains publishes it, and the JVM that runs what it makes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekit.runtimes import npm
from edgekit.store import Store

JAVA = shutil.which("java")
NPM = shutil.which("npm")
LOCK = Path(__file__).parent / "kotlin"
_LIBRARIES = ("kotlin-stdlib", "kotlinx-coroutines-core-jvm")
_COMPILER = ("kotlin-compiler", "kotlin-script-runtime", "kotlin-reflect")
_COMPILER_TOO = ("kotlin-daemon", "annotations-13.0")
_TIMEOUT_S = 600


def jars(names: Sequence[str]) -> list[str]:
    """Libraries of the compiler's package."""
    every = (*_LIBRARIES, *_COMPILER, *_COMPILER_TOO)
    files = [f"kotlin-compiler/lib/{name}.jar" for name in every]
    folder = npm.installed(LOCK, files, Store())
    return [str(folder / f"kotlin-compiler/lib/{name}.jar") for name in names]


def compiled(
    sources: Sequence[Path], out: Path, *, beside: Sequence[Path] = ()
) -> list[str]:
    """Classes in `out`; returns the errors and warnings, a line each."""
    libraries = [*jars(_LIBRARIES), *map(str, beside)]
    own = jars((*_LIBRARIES, *_COMPILER, *_COMPILER_TOO))
    done = subprocess.run(
        [
            *(str(JAVA), "-Xmx1g", "-cp", ":".join(own)),
            *("org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", "-no-stdlib"),
            *("-no-reflect", "-cp", ":".join(libraries), "-d", str(out)),
            *map(str, sources),
        ],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    lines = done.stderr.splitlines()
    found = [line for line in lines if ": error: " in line or ": warning: " in line]
    assert found or done.returncode == 0, done.stderr
    return found


def run(
    classes: Sequence[Path], main: str, arguments: Sequence[str], env: Mapping[str, str]
) -> str:
    """The output of `main`; raises `AssertionError` where it fails."""
    places = [*jars(_LIBRARIES), *map(str, classes)]
    done = subprocess.run(
        [
            str(JAVA),
            "-Djava.awt.headless=true",
            "-cp",
            ":".join(places),
            main,
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
        env=dict(env),
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
