"""Builds the wheel and the source archive, and runs what is in the wheel as a user would.

    make release-check

The environment is new and outside of the checkout. Its packages come from the folder of the
checkout's own environment, which the lock filled; EdgeKit comes from the wheel alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
_MODEL = """\
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4))
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="edgekit-release-") as name:
        folder = Path(name)
        wheel, archive = built(folder)
        edgekit = installed(wheel, folder / "venv")
        (folder / "model.py").write_text(_MODEL)
        version = _run(str(edgekit), "--version", at=folder).strip()
        if f"edgekit-{version}" not in archive.name:
            sys.exit(f"{wheel.name} has version {version}; the archive: {archive.name}")
        _run(str(edgekit), "targets", at=folder)
        _run(
            *(str(edgekit), "inspect", "model.py:build", "--input", "1,8,8"), at=folder
        )
        print(f"{wheel.name}: installed, --version, targets and inspect ran")


def built(folder: Path) -> tuple[Path, Path]:
    """The wheel and the source archive, built into `folder`."""
    _run(sys.executable, "-m", "hatchling", "build", "-d", str(folder), at=ROOT)
    [wheel], [archive] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, archive


def installed(wheel: Path, place: Path) -> Path:
    """The script of the wheel in a fresh environment."""
    _complete(wheel)
    venv.create(place, with_pip=True)
    [packages] = place.glob("lib/python*/site-packages")
    command = (str(place / "bin/python"), "-m", "pip", "install", "--quiet")
    _run(*command, "--no-deps", "--no-index", str(wheel), at=place)
    locked = next(p for p in map(Path, sys.path) if (p / "torch").is_dir())
    (packages / "locked.pth").write_text(f"{locked}\n")
    found = "import edgekit, sys; sys.exit(not edgekit.__file__.startswith(sys.prefix))"
    _run(str(place / "bin/python"), "-P", "-c", found, at=place)
    return place / "bin/edgekit"


def _complete(wheel: Path) -> None:
    """Return whether the wheel has its requirements, the script's entry and a target."""
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
        [about] = (name for name in names if name.endswith("METADATA"))
        said = opened.read(about).decode()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    missing = [
        need for need in project["dependencies"] if f"Requires-Dist: {need}" not in said
    ]
    missing += [
        name
        for name in ("edgekit/__main__.py", "edgekit/py.typed", "edgekit/__init__.pyi")
        if name not in names
    ]
    if missing:
        sys.exit(f"{wheel.name} lacks {missing}")


def _run(*command: str, at: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=at, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
