"""What the user sees when something is wrong: one line, the right exit code, nothing left."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import edgekit
from edgekit import cli
from edgekit.commands import crashes
from edgekit.config import project
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
    with (mine / "edgekit.toml").open("a") as toml:
        toml.write('[recipe.prune]\ncost_source = "estimated"\n')
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


# --- signals, pipes and faults of our own -----------------------------------------------------

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.mark.parametrize(
    ("name", "code"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129)]
)
@pytest.mark.parametrize("wraps", [False, True])
def test_a_signal_while_the_users_code_runs_is_not_blamed_on_it(
    mine: Path, run: Run, name: str, code: int, wraps: bool
) -> None:
    kill = f"os.kill(os.getpid(), signal.{name}); time.sleep(30)"
    passed_on = (
        f"    try: {kill}\n"
        "    except BaseException as error: raise ValueError('failed') from error\n"
    )
    body = passed_on if wraps else f"    {kill}\n"
    text = f"import os, signal, time\ndef build():\n{body}"
    (mine / "model.py").write_text(text)
    before = [signal.getsignal(number) for number in SIGNALS]
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which `nohup` would have ignored
    try:
        status, out, err = run("inspect", "model.py:build", "-i", "3,16,16")
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)
    assert (status, out) == (code, "")
    assert err.strip() == "Interrupted; nothing half-written was left."


@pytest.mark.parametrize("leave", ["sys.exit(143)", "sys.exit('no')", "exit()"])
def test_an_exit_of_the_users_own_is_the_users(
    mine: Path, run: Run, leave: str
) -> None:
    (mine / "model.py").write_text(f"import sys\ndef build():\n    {leave}\n")
    status, _, err = run("inspect", "model.py:build", "-i", "3,16,16")
    assert status == 2
    assert "model.py:3: SystemExit" in err and len(err.strip().splitlines()) == 1


def broken(fault: Callable[[], object]) -> Callable[..., object]:
    def fail(*arguments: object, **more: object) -> object:
        return fault()

    return fail


def test_a_fault_of_our_own_has_its_own_code_and_a_report(
    mine: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_OWN_SECRET", "from-the-environment")
    monkeypatch.setattr(project, "load", broken(lambda: {}["ssh://me:hunter2@pi"]))
    address = ("--device", "ssh://me:hunter2@pi")
    status, out, err = run("build", "-t", "raspberrypi", *address, "-o", "new")
    assert (status, out) == (70, "")
    assert len(err.strip().splitlines()) == 1 and "Internal error: KeyError" in err
    [report] = [word for word in err.split() if word.endswith(".txt")]
    text = Path(report).read_text()
    assert Path(report).is_relative_to(os.environ["EDGEKIT_CACHE"])
    assert "Traceback" in text and "test_cli.py" in text
    assert f"edgekit {edgekit.__version__}" in text and "torch " in text
    assert "command: edgekit build -t raspberrypi" in text and "stage: " in text
    assert "hunter2" not in text + err
    assert "from-the-environment" not in text
    assert not (mine / "new").exists()


def test_secrets_on_the_command_line_stay_out_of_reports(
    mine: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "load", broken(lambda: [][0]))
    # Options that do not exist are refused before anything runs, so the words are given as are.
    monkeypatch.setattr(
        sys, "argv", ["edgekit", "--api-token", "t0ken", "--password=pa55"]
    )
    line = crashes.reported(ValueError("bad t0ken and pa55"), "here")
    text = Path(line.split()[-1]).read_text()
    assert "bad *** and ***" in line and "stage: here" in text
    assert "t0ken" not in text and "pa55" not in text


def test_only_the_newest_reports_stay(run: Run) -> None:
    folder = Path(os.environ["EDGEKIT_CACHE"]) / "crashes"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(30):
        (folder / f"edgekit-crash-20200101-{number:06}-1.txt").write_text("old")
    line = crashes.reported(ValueError("x"), "here")
    left = sorted(folder.iterdir())
    assert len(left) == 20 and left[-1] == Path(line.split()[-1])


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (lambda: np.empty(1 << 50), 2, "too little free memory"),
        (lambda: torch.empty(1 << 50), 2, "too little free memory"),
        (lambda: Path("/dev/full").write_text("x"), 2, "No space left"),
        (lambda: Path("/proc/self/mem/x").read_text(), 70, "NotADirectoryError"),
        (lambda: torch.empty(2) @ torch.empty(3), 70, "Internal error: RuntimeError"),
        (lambda: sys.exit(1), 70, "Internal error: SystemExit"),
        (lambda: sys.exit(0), 70, "Internal error: SystemExit"),
        (lambda: pickle.load(io.BytesIO()), 70, "Internal error: EOFError"),
    ],
)
def test_limits_of_the_machine_are_named_and_the_rest_is_ours(
    mine: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[], object],
    code: int,
    words: str,
) -> None:
    monkeypatch.setattr(project, "load", broken(fault))
    status, out, err = run("build", "-t", "raspberrypi", "-q")
    assert (status, out) == (code, "")
    assert words in err and len(err.strip().splitlines()) == 1, err
    assert "Traceback" not in err


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
