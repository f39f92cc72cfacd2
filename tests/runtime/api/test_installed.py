"""The library from its wheel, outside of the checkout, as a user has it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import shapes
from tools import release_check

HERE = Path(__file__).parent
TYPED = """\
import edgekit as ek

def shrunk(model: ek.Network, data: ek.Data) -> ek.Network:
    plan: ek.PruningPlan = ek.plan(model, data, target="raspberrypi4", budget=ek.Budget(speedup=2))
    return ek.distill(ek.prune(model, plan), teacher=model, data=data, epochs=3)
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has EdgeKit from its wheel alone."""
    folder = tmp_path_factory.mktemp("installed")
    wheel, _ = release_check.built(folder)
    return release_check.installed(wheel, folder / "venv").with_name("python")


def run(*command: str | Path, at: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [str(part) for part in command],
        cwd=at,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", [(), ("own-loop",)], ids=["distill", "own loop"])
def test_the_library_in_ten_lines(
    python: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    shutil.copy(HERE / "ten_lines.py", tmp_path)
    shutil.copy(str(shapes.__file__), tmp_path / "shapes.py")
    done = run(python, "ten_lines.py", *arguments, at=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_a_typed_script_is_checked(python: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(TYPED)
    checked = run(python, "-m", "mypy", "--strict", script, at=tmp_path)
    assert checked.returncode == 0, checked.stdout
    script.write_text(TYPED.replace("epochs=3", "epochs='3'"))
    refused = run(python, "-m", "mypy", "--strict", script, at=tmp_path)
    assert refused.returncode == 1
    assert 'Argument "epochs" to "distill"' in refused.stdout
