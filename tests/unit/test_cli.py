"""Output for the user when something is wrong: one line, the right exit code, nothing left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import edgekit
from tests.conftest import Run


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def empty_data(folder: Path) -> None:
    shutil.rmtree(folder / "data/train")
    (folder / "data/train").mkdir()


def file_in_the_way(folder: Path) -> None:
    (folder / "build").write_text("not a folder")


def read_only(folder: Path) -> None:
    (folder / "build").mkdir()
    (folder / "build").chmod(0o555)


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (
            lambda f: (f / "weights.safetensors").write_bytes(b"junk"),
            2,
            ["weights.safetensors"],
        ),
        (lambda f: (f / "weights.safetensors").unlink(), 2, ["weights.safetensors"]),
        (
            lambda f: change(f / "model.py", "width=32", "width=48"),
            2,
            ["weights.safetensors", "[48, 48, 3, 3]", "[32, 32, 3, 3]"],
        ),
        (
            lambda f: change(f / "edgekit.toml", "[3, 16, 16]", "[1, 16, 16]"),
            2,
            ["1, 16, 16"],
        ),
        (empty_data, 2, ["data/train"]),
        (
            lambda f: change(f / "edgekit.toml", "scale =", "sacle ="),
            2,
            ["sacle", "'scale'"],
        ),
        (file_in_the_way, 2, ["build"]),
        (read_only, 2, ["build"]),
        (
            lambda f: change(f / "model.py", "def build", "def built"),
            2,
            ["build", "built"],
        ),
        (lambda f: change(f / "model.py", "return Net()", "return 3"), 2, ["model.py"]),
        (
            lambda f: change(f / "model.py", "return Net()", "return 1/0"),
            2,
            ["division"],
        ),
    ],
)
def test_a_spoiled_project_is_refused_in_one_line(
    mine: Path, run: Run, spoil: Callable[[Path], object], code: int, words: list[str]
) -> None:
    spoil(mine)
    before = sorted(mine.rglob("*"))
    status, out, err = run("build", "--target", "raspberrypi", "--quiet")
    assert status == code, err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1, err
    for word in words:
        assert word in err, err
    assert out == ""
    left = [p for p in sorted(mine.rglob("*")) if "__pycache__" not in p.parts]
    assert left == before


def test_the_version_needs_no_command(run: Run) -> None:
    assert run("--version") == (0, f"{edgekit.__version__}\n", "")


def test_a_wrong_target_is_corrected(run: Run) -> None:
    status, _, err = run("build", "--target", "rasberrypi")
    assert status == 2
    assert "Did you mean 'raspberrypi'" in err


def test_a_folder_without_a_project_states_how_to_make_one(
    run: Run, tmp_path: Path
) -> None:
    status, _, err = run("build", "-t", "raspberrypi", "-p", str(tmp_path))
    assert status == 2
    assert "edgekit init" in err


@pytest.mark.parametrize(
    "arguments", [("build",), ("biuld",), ("bench",), ("bench", "no.onnx")]
)
def test_wrong_usage_exits_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    status, _, err = run(*arguments)
    assert status == 2
    assert err and "Traceback" not in err


# --- signals, pipes and faults of our own -----------------------------------------------------

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def broken(fault: Callable[[], object]) -> Callable[..., object]:
    def fail(*arguments: object, **more: object) -> object:
        return fault()

    return fail


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("targets", 141),
        ("targets --json", 141),
        ("targets show raspberrypi", 141),
        ("--help", 141),
    ],
)
def test_a_reader_that_has_gone_ends_the_command_quietly(
    command: str, code: int
) -> None:
    shell = f"{sys.executable} -m edgekit {command} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (code, b"")


def test_output_that_cannot_be_written_is_named() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "edgekit", "targets", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "No space left" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [("edgekit bui", "build"), ("edgekit build --tar", "--target")],
)
def test_a_shell_completes_commands_and_options(words: str, expected: str) -> None:
    program = "import sys; sys.argv = ['edgekit']; from edgekit.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "_EDGEKIT_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert expected in done.stdout.split()
    assert (done.returncode, done.stderr) == (0, "")
