"""What the user sees when something is wrong: one line, the right exit code, nothing left."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import edgekit
from edgekit import cli
from edgekit.errors import EXIT_CODES

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edgekit", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


@pytest.fixture
def mine(own_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the user's project to spoil, and the working folder."""
    folder = tmp_path / "mine"
    shutil.copytree(own_project, folder)
    monkeypatch.chdir(folder)
    return folder


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


def test_an_impossible_budget_is_refused_before_training(mine: Path, run: Run) -> None:
    change(mine / "edgekit.toml", "= 1.5", "= 1000")
    status, _, err = run("build", "--target", "raspberrypi", "--quiet")
    assert status == 1
    assert (
        "speed-up of 1000" in err
        and "the nearest is" in err
        and len(err.strip().splitlines()) == 1
    )
    assert not (mine / "build").exists()


def test_the_version_needs_no_command(run: Run) -> None:
    assert run("--version") == (0, f"{edgekit.__version__}\n", "")


def test_a_wrong_target_is_corrected(run: Run) -> None:
    status, _, err = run("build", "--target", "rasberrypi")
    assert status == 2
    assert "Did you mean 'raspberrypi'" in err


def test_a_folder_without_a_project_says_how_to_make_one(
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


def test_targets_lists_and_explains(run: Run) -> None:
    status, out, _ = run("targets", "--json")
    names = {target["name"] for target in json.loads(out)}
    assert status == 0
    assert names >= {
        *("raspberrypi3", "raspberrypi4", "raspberrypi5", "raspberrypi-zero2w"),
        *(
            "raspberrypi-armv7",
            "android-arm64",
            "intel-n100",
            "jetson-orin-nano",
            "host",
        ),
    }
    status, out, _ = run("targets", "show", "raspberrypi")
    assert status == 0
    assert "cortex-a72" in out
    assert run("targets", "show", "nothing")[0] == 2


def test_help_names_every_exit_code(run: Run) -> None:
    status, out, _ = run("build", "--help")
    assert status == 0
    for code in EXIT_CODES:
        assert str(code) in out


def test_inspect_says_the_same_as_a_table_and_as_json(mine: Path, run: Run) -> None:
    status, out, err = run("inspect", "model.py:build", "--input", "3,16,16", "--json")
    assert status == 0, err
    found = json.loads(out)
    assert found["inputs"] == [
        {"name": "input_0", "shape": [3, 16, 16], "dtype": "float32"}
    ]
    assert {group["kind"] for group in found["groups"]} == {"channel"}
    assert [block["id"] for block in found["blocks"]] == ["blocks.0", "blocks.1"]
    status, out, _ = run("inspect")
    assert status == 0
    for group in found["groups"]:
        assert group["id"] in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("model.py:built", "-i", "3,16,16"), ["'build'"]),
        (("model.py:build", "-i", "1,16,16"), ["[1, 16, 16]", "3 channels"]),
        (("model.py:build", "-i", "3,16,16", "--weights", "no.pt"), ["no.pt"]),
        (("model.py:build", "-i", "wide"), ["wide", "3,224,224"]),
    ],
)
def test_inspect_refuses_in_one_line(
    mine: Path, run: Run, arguments: tuple[str, ...], words: list[str]
) -> None:
    status, out, err = run("inspect", *arguments)
    assert status == 2
    assert out == "" and "Traceback" not in err
    assert len(err.strip().splitlines()) == 1, err
    for word in words:
        assert word in err


def test_doctor_finds_the_runtimes(run: Run) -> None:
    status, out, _ = run("doctor", "--json")
    findings = {one["name"]: one for one in json.loads(out)}
    assert status == 0
    assert findings["litert"]["ok"] and findings["torch"]["ok"]
    assert all(one["ok"] or one["fix"] or one["found"] for one in findings.values())


def test_init_then_a_project_that_reads(run: Run, tmp_path: Path) -> None:
    assert run("init", str(tmp_path))[0] == 0
    assert (tmp_path / "edgekit.toml").is_file()
    assert run("init", str(tmp_path))[0] == 2
