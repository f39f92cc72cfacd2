"""The whole line on real input and real runtimes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from edgekit import cli
from edgekit.package import bundle
from edgekit.types.notes import NOTES
from tests.conftest import Run
from tests.unit.package.test_bundle import fill

ROOT = Path(__file__).parents[3]


def edgekit(
    folder: Path, *arguments: str, expect: int = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "edgekit", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == expect, done.stderr
    assert "Traceback" not in done.stderr
    return done


def strings(value: object) -> Iterator[str]:
    """Every text inside of JSON values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from strings([*value.values()])
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """The embedded example, built in an empty folder as a newcomer would."""
    folder = tmp_path_factory.mktemp("digits")
    done = edgekit(folder, "build", "--target", "raspberrypi", "--json")
    return folder / "build/raspberrypi", json.loads(done.stdout)


@pytest.mark.slow
def test_the_example_keeps_its_contract(digits: tuple[Path, dict]) -> None:
    folder, report = digits
    [chosen] = [c for c in report["candidates"] if c["chosen"]]
    assert chosen["artifact"]["runtime"] == "litert"
    assert chosen["speedup"] >= 2.0
    assert chosen["accuracy_drop"] <= 0.01
    assert chosen["measurement"]["provenance"] == "host"
    assert chosen["measurement"]["energy"]["gross_mj"] is None
    assert chosen["measurement"]["energy"]["reasons"]
    assert json.loads((folder / "report.json").read_text()) == report
    names = {c["artifact"]["name"] for c in report["candidates"]}
    assert {"litert-fp32", "litert-int8"} <= names


@pytest.mark.slow
def test_the_bundle_is_whole_and_vouched_for(digits: tuple[Path, dict]) -> None:
    folder, report = digits
    manifest = json.loads((folder / "manifest.json").read_text())
    assert bundle.check(folder) == []
    assert {"model.tflite", "student.pt2", "report.html", "report.json"} <= {
        entry["path"] for entry in manifest["files"]
    }
    [chosen] = [c for c in report["candidates"] if c["chosen"]]
    [file] = chosen["artifact"]["files"]
    model = (folder / "model.tflite").read_bytes()
    assert (
        hashlib.sha256(model).digest()
        == hashlib.sha256((folder / file).read_bytes()).digest()
    )
    contract = manifest["contract"]
    assert manifest["model"]["runtime_options"] == chosen["artifact"]["runtime_options"]
    with np.load(folder / "calibration.npz") as kept:
        assert kept["samples"].shape == (report["calibration"]["drawn"], 1, 8, 8)
    assert {note["kind"] for note in report["notes"]} <= {one.kind for one in NOTES}
    assert not any(" " in text for text in strings(report["notes"])), "a sentence"
    [tried, *_] = [n for n in report["notes"] if n["kind"] == "runtime_options_tried"]
    assert tried["trials"][0]["options"]["options"] == {"xnnpack": False}
    assert len(tried["trials"][0]["time_ratios"]) == 3
    assert all(candidate["outcome"]["kind"] for candidate in report["candidates"])
    int8 = next(
        c["artifact"] for c in report["candidates"] if "int8" in c["artifact"]["name"]
    )
    assert int8["quantized"]["accuracy_drop"] <= int8["quantized"]["allowed"]
    assert contract["inputs"][0]["shape"] == [1, 1, 8, 8]
    assert contract["labels"] == [str(digit) for digit in range(10)]


@pytest.mark.slow
def test_the_student_reloads_with_torch_alone(
    digits: tuple[Path, dict], tmp_path: Path
) -> None:
    folder, _ = digits
    program = (
        "import sys, torch; p = torch.export.load(sys.argv[1]).module();"
        "print(tuple(p(torch.zeros(3, 1, 8, 8)).shape), 'edgekit' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder / "student.pt2")],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split("\n")[0] == "(3, 10) False"


@pytest.mark.slow
def test_the_shipped_file_is_as_accurate_as_the_report_states(
    digits: tuple[Path, dict],
) -> None:
    """Evaluated once more from the bundle alone, by the manifest's contract."""
    from ai_edge_litert.interpreter import Interpreter

    from edgekit import data
    from edgekit.config import project
    from edgekit.types import InputSpec

    folder, report = digits
    one = project.example()
    test = data.load(
        one.data.test, root=one.root, input=InputSpec(shape=(1, 8, 8)),
        preprocess=one.data.preprocess,
    )  # fmt: skip
    inputs, targets = test.arrays()
    interpreter = Interpreter(str(folder / "model.tflite"))
    interpreter.allocate_tensors()
    [given], [made] = interpreter.get_input_details(), interpreter.get_output_details()
    right = 0
    for sample, target in zip(inputs, targets, strict=True):
        interpreter.set_tensor(given["index"], sample[None])
        interpreter.invoke()
        right += int(np.argmax(interpreter.get_tensor(made["index"])) == target)
    [chosen] = [c for c in report["candidates"] if c["chosen"]]
    assert right / len(targets) == pytest.approx(chosen["evaluation"]["value"])


@pytest.mark.parametrize(
    ("target", "model"),
    [
        pytest.param("raspberrypi", "tflite", marks=pytest.mark.slow),
        ("intel-n100", "xml"),
    ],
)
@pytest.mark.usefixtures("brief")
def test_a_users_own_project(
    own_project: Path, tmp_path: Path, run: Run, target: str, model: str
) -> None:
    """A fifth of the operations stays, which is faster by far more than any budget here."""
    project = tmp_path / "mine"
    shutil.copytree(own_project, project)
    toml = (project / "edgekit.toml").read_text()
    toml = toml.replace("[budget]\n", "[budget]\nmmacs = 2\n")
    (project / "edgekit.toml").write_text(
        toml + '[recipe.prune]\ncost_provenance = "estimated"\n'
    )
    out = tmp_path / "out"
    status, _, err = run("build", "-t", target, "-p", project, "-o", out, "--quiet")
    assert status == 0, err
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert (tmp_path / f"out/model.{model}").is_file()
    [chosen] = [c for c in report["candidates"] if c["chosen"]]
    assert chosen["speedup"] >= 1.5
    assert report["student"]["parameters"] < report["teacher"]["parameters"]
    assert set(tmp_path.iterdir()) == {project, tmp_path / "out"}
    assert not (project / "build").exists()


@pytest.mark.parametrize(
    ("end", "code"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)],
)
def test_an_interrupt_leaves_nothing_and_the_old_bundle(
    own_project: Path, tmp_path: Path, end: signal.Signals, code: int
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(own_project, folder)
    old = folder / "build/raspberrypi"
    fill(old)
    shutil.rmtree(old.parent / "exported")
    before = {file: file.read_bytes() for file in old.rglob("*") if file.is_file()}
    process = subprocess.Popen(
        [sys.executable, "-m", "edgekit", "build", "-t", "raspberrypi"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while len(list((folder / "build").iterdir())) == 1:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(10)
    process.send_signal(end)
    _, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert [p.name for p in (folder / "build").iterdir()] == ["raspberrypi"]
    assert before == {f: f.read_bytes() for f in old.rglob("*") if f.is_file()}


def test_the_module_is_the_command() -> None:
    assert callable(cli.main)


@pytest.mark.slow
def test_several_targets_are_several_bundles(own_project: Path, tmp_path: Path) -> None:
    """The first keeps its budget as it is, the second cannot, the last is the first again."""
    folder = tmp_path / "mine"
    shutil.copytree(own_project, folder)
    toml = (folder / "edgekit.toml").read_text().replace("epochs = 4", "epochs = 1")
    (folder / "edgekit.toml").write_text(
        toml + '\n[recipe.prune]\ncost_provenance = "estimated"\nrounds = 1\n'
        '[recipe.export]\nprecisions = ["fp32"]\n'
        "[recipe.bench]\nruntime_options_s = 0\n"
        "[target.intel-n100.budget]\nspeedup = 1e6\n"
        "[target.raspberrypi4.budget]\nspeedup = 1.0\n"
        "[target.jetson-orin-nano.budget]\nspeedup = 0.5\n"
    )
    names = ("raspberrypi", "intel-n100", "jetson-orin-nano", "raspberrypi4")
    asked = [word for name in names for word in ("--target", name)]
    done = edgekit(folder, "build", *asked, "-o", "made", expect=1)
    assert sorted(path.name for path in (folder / "made").iterdir()) == [
        "jetson-orin-nano",
        "raspberrypi",
    ]
    for name in ("raspberrypi", "jetson-orin-nano"):
        assert bundle.check(folder / "made" / name) == []
    keeps_everything(folder)
    assert "1 of 3 targets failed. intel-n100: a speed-up of" in done.stderr
    assert done.stderr.count("Read the data") == 1
    table = done.stdout[done.stdout.rindex("Target ") :]
    assert [line.split()[:2] for line in table.splitlines()[2:5]] == [
        ["raspberrypi", "fits"],
        ["intel-n100", "failed"],
        ["jetson-orin-nano", "fits"],
    ]


def keeps_everything(folder: Path) -> None:
    """A speed-up of 1 requires neither cut nor training."""
    report = json.loads((folder / "made/raspberrypi/report.json").read_text())
    assert report["verdict"] == "fits"
    assert report["teacher"] == report["student"]
    assert (report["dropped_blocks"], report["rounds"], report["epochs"]) == (
        [],
        [],
        [],
    )
    assert all(row["before"] == row["after"] for row in report["widths"])
    [nothing] = [n for n in report["notes"] if n["kind"] == "nothing_cut"]
    assert (nothing["reason"], nothing["artifact"]) == ("within_budget", "litert-fp32")
    assert (nothing["speedup"], nothing["validation"]["is_fraction"]) == (1.0, True)
    [chosen] = [c for c in report["candidates"] if c["chosen"]]
    assert (chosen["speedup"], chosen["accuracy_drop"]) == (1.0, 0.0)
    trained = load_file(folder / "weights.safetensors")
    student = torch.export.load(str(folder / "made/raspberrypi/student.pt2"))
    for name in ("head.weight", "blocks.1.first.weight"):
        assert torch.equal(student.state_dict[name], trained[name])
