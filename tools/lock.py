"""Writes `requirements.lock` and the lists of `docker/` and `docs/`: pins with their files' hashes.

    make lock

Versions come from `constraints.txt` and from the lists themselves; hashes from the index that pip
is set up with, and from the folders of its `find-links`, whose builds of a version may be others.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pip._internal.models.index import PyPI
from pip._vendor.packaging.utils import (
    InvalidWheelFilename,
    canonicalize_name,
    parse_wheel_filename,
)

ROOT = Path(__file__).parents[1]
LISTS = (
    *(f"docker/{name}.txt" for name in ("litert", "onnxruntime", "openvino")),
    *("docker/tflite-runtime.txt", "docker/tokenizers.txt", "docs/requirements.txt"),
    "tests/runtime/package/ios/requirements.txt",
)
PYTHONS = ("cp311", "cp312", "cp313")
_SIMPLE = {"Accept": "application/vnd.pypi.simple.v1+json"}
_PLATFORMS = re.compile(r"any|(many)?linux\w*_(x86_64|aarch64|armv7l)")


def main() -> None:
    index = _setting("index-url") or PyPI.simple_url
    here = _beside(_setting("find-links") or "")
    constraints = (ROOT / "constraints.txt").read_text()
    _write(ROOT / "requirements.lock", constraints, index, here, PYTHONS)
    for name in LISTS:
        file = ROOT / name
        pythons = PYTHONS if name.startswith(("docs", "tests")) else PYTHONS[:1]
        _write(file, file.read_text(), index, {}, pythons)


def _write(
    file: Path,
    pins: str,
    index: str,
    here: dict[tuple[str, str], set[str]],
    pythons: Sequence[str],
) -> None:
    requested = re.findall(r"^([\w.-]+)==([\w.]+)", pins, re.MULTILINE)

    def line(pin: tuple[str, str]) -> str:
        name, version = pin
        found = _published(index, name, version, pythons)
        found |= here.get((canonicalize_name(name), version), set())
        if not found:
            sys.exit(f"{name}=={version}: the index has no file of it for {pythons}")
        hashes = "".join(f" \\\n    --hash=sha256:{each}" for each in sorted(found))
        return f"{name}=={version}{hashes}\n"

    with ThreadPoolExecutor(4) as pool:
        lines = list(pool.map(line, requested))
    title = "# By `make lock`; install with --require-hashes --no-deps.\n"
    file.write_text(title + "".join(lines))


def _published(index: str, name: str, version: str, pythons: Sequence[str]) -> set[str]:
    address = f"{index.rstrip('/')}/{canonicalize_name(name)}/"
    asked = urllib.request.Request(address, headers=_SIMPLE)
    with urllib.request.urlopen(asked, timeout=60) as reply:
        files = json.load(reply)["files"]
    wheels = {f["filename"]: f["hashes"]["sha256"] for f in files}
    return {
        digest for file, digest in wheels.items() if _fits(file, version, pythons)
    } or {digest for file, digest in wheels.items() if _is_source(file, name, version)}


def _fits(file: str, version: str, pythons: Sequence[str]) -> bool:
    """Return whether this is a wheel of that version which one of these Pythons takes on Linux."""
    try:
        _, found, _, tags = parse_wheel_filename(file)
    except InvalidWheelFilename:
        return False
    return found.public == version and any(
        _PLATFORMS.fullmatch(tag.platform)
        and (
            tag.abi in pythons
            or (tag.abi == "none" and tag.interpreter.startswith(("py3", *pythons)))
            or tag.abi == "abi3"
        )
        for tag in tags
    )


def _is_source(file: str, name: str, version: str) -> bool:
    stem = file.removesuffix(".tar.gz")
    return stem != file and canonicalize_name(stem) == canonicalize_name(
        f"{name}-{version}"
    )


def _beside(folders: str) -> dict[tuple[str, str], set[str]]:
    """Hashes of the wheels in folders on this machine, by name and version."""
    found: dict[tuple[str, str], set[str]] = {}
    for wheel in _wheels(Path(folder) for folder in folders.split()):
        name, version, _, _ = parse_wheel_filename(wheel.name)
        with wheel.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        found.setdefault((name, version.public), set()).add(digest)
    return found


def _wheels(folders: Iterable[Path]) -> list[Path]:
    return [wheel for folder in folders for wheel in sorted(folder.glob("*.whl"))]


def _setting(name: str) -> str | None:
    """The option of pip, from its file or environment."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.findall(rf"^(?:global|:env:)\.{name}='(.*)'$", done.stdout, re.MULTILINE)
    return found[-1] if found else None


if __name__ == "__main__":
    main()
