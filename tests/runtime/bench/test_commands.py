"""`bench`, `compare`, `gate` and `devices` as a user runs them: what they print and exit with."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from edgekit import cli
from edgekit.bench import history as records
from edgekit.bench import paired
from edgekit.bench.artifact import artifact_at
from edgekit.bench.protocol import measure
from edgekit.bench.tiers import tailored
from edgekit.devices.local import LocalDevice
from tests.runtime.conftest import write_tflite

ROOT = Path(__file__).parents[3]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process: exit code, what it printed and what it complained of."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edgekit", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


def edgekit(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgekit", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.slow
def test_a_measurement_is_kept_compared_and_gated(
    onnx_model: Any, tmp_path: Path
) -> None:
    kept, history = tmp_path / "one.json", tmp_path / "history.jsonl"
    done = edgekit(
        "bench",
        onnx_model.path,
        "--out",
        kept,
        "--history",
        history,
        "--energy",
        "none",
    )
    assert done.returncode in (0, 4), (
        done.stderr
    )  # 4: a busy machine's figures do not hold
    entry = json.loads(history.read_text())
    assert len(entry.pop("digest")) == 64
    assert entry == json.loads(kept.read_text())
    assert entry["measurement"]["energy"]["reason"] == "Energy was not asked for."
    assert entry["measurement"]["conditions"]["pinned"]

    same = edgekit("compare", kept, kept)
    assert same.returncode == 0, same.stderr
    assert "1.000" in same.stdout
    entry["measurement"]["device"] = "ssh://pi"
    (tmp_path / "two.json").write_text(json.dumps(entry))
    other = edgekit("compare", kept, tmp_path / "two.json")
    assert other.returncode == 4
    assert "they differ in device (local, ssh://pi)" in other.stderr

    assert edgekit("gate", onnx_model.path, "--baseline", kept).returncode == 0
    over = edgekit("gate", onnx_model.path, "--baseline", kept, "--size-mb", "0.000001")
    assert over.returncode == 1
    assert "size_mb" in over.stderr
    blind = edgekit("gate", onnx_model.path, "--baseline", kept, "--latency-ms", "1")
    assert blind.returncode == 2
    assert "add --device" in blind.stderr


def test_a_device_that_fails_does_not_lose_what_the_other_measured(
    onnx_model: Any, tmp_path: Path
) -> None:
    history = tmp_path / "history.jsonl"
    devices = ("--device", "local", "--device", "local?python=/nowhere/python")
    common = ("--energy", "none", "--history", history, "--seconds", "0.2")
    done = edgekit("bench", onnx_model.path, *devices, *common)
    assert done.returncode == 3, done.stderr
    assert "Cannot start /nowhere/python" in done.stderr
    assert "local (host)" in done.stdout
    assert "failed" in done.stdout
    assert len(history.read_text().splitlines()) == 1


def test_a_terminated_command_leaves_no_process(onnx_model: Any) -> None:
    command = [sys.executable, "-m", "edgekit", "bench", str(onnx_model.path)]
    other = f"local?python={sys.executable}"
    devices = ["--device", "local", "--device", other, "--tier", "sustained"]
    bench = subprocess.Popen(
        [*command, *devices],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    started = psutil.Process(bench.pid)
    try:
        below = _wait(lambda: _agents(started), "an agent at work")
        everything = started.children(recursive=True)
        bench.terminate()
        assert bench.wait(timeout=60) == 143
        _, alive = psutil.wait_procs([*below, *everything], timeout=60)
        assert not alive
    finally:
        if bench.poll() is None:
            for one in (*started.children(recursive=True), started):
                one.kill()
        bench.communicate()


def _agents(parent: psutil.Process) -> list[psutil.Process]:
    found = []
    for one in parent.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "result.json" in " ".join(one.cmdline()):
                found.append(one)
    return found


def _wait(happened: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if found := happened():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--device", "shh://x"], "Did you mean 'ssh'"),
        (["--energy", "sundial"], "No energy meter 'sundial'"),
        (["--energy", "modeled"], "needs --target"),
        (["--energy", "modeled", "--target", "host"], "has no published watts"),
        (["--energy", "serial"], "Where is the meter?"),
        (["--seconds", "-1"], "it must be more than 0"),
        (["--out", "x", "-d", "local", "-d", "adb://x"], "--out takes one --device"),
        (["--against", "MODEL", "--launches", "9"], "5 or 20 pairs"),
        (["--out", "/"], "Cannot write /"),
    ],
)
def test_wrong_usage_is_named_before_anything_is_measured(
    run: Run, onnx_model: Any, options: list[str], words: str
) -> None:
    given = [str(onnx_model.path) if part == "MODEL" else part for part in options]
    code, _, said = run("bench", onnx_model.path, *given)
    assert code == 2, said
    assert words in said


def test_a_gate_on_a_device_takes_turns_with_the_baselines_artifact(
    run: Run, onnx_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A verdict takes at least five pairs; what is said of them needs two.
    monkeypatch.setattr(paired, "FIRST_PAIRS", 2)
    monkeypatch.setattr(paired, "ALL_PAIRS", 3)
    artifact = artifact_at(onnx_model.path)
    brief = tailored("quick", launches=1, seconds=0.1)
    found = measure([artifact], LocalDevice(), tier=brief, threads=1)[artifact.name]
    kept, history = tmp_path / "kept.json", tmp_path / "history.jsonl"
    entry = records.document(artifact, found, tier=brief.name)
    kept.write_text(json.dumps(entry))
    common = ("--device", "local", "--history", history)
    code, out, said = run("gate", onnx_model.path, "--baseline", kept, *common)
    # The same file against itself; 4 where the machine is too busy to tell.
    assert code in (0, 4), said
    assert "times the latency" in " ".join(out.split())
    assert len(history.read_text().splitlines()) == 1
    entry["artifact"]["files"] = ["/nowhere/else.onnx"]
    kept.write_text(json.dumps(entry))
    code, _, said = run("gate", onnx_model.path, "--baseline", kept, *common)
    assert code == 4
    assert "name it with --against" in said


def test_a_profile_that_cannot_be_had_does_not_lose_the_measurement(
    run: Run, tmp_path: Path
) -> None:
    """Two subgraphs: the interpreter runs the first, and nobody can cut it apart."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    file, history = tmp_path / "two.tflite", tmp_path / "history.jsonl"
    write_tflite(file)
    whole = schema.ModelT.InitFromObj(schema.Model.GetRootAs(file.read_bytes(), 0))
    whole.subgraphs = whole.subgraphs * 2
    builder = flatbuffers.Builder(1024)
    builder.Finish(whole.Pack(builder), b"TFL3")
    file.write_bytes(bytes(builder.Output()))
    brief = ("--launches", "1", "--seconds", "0.1", "--energy", "none")
    code, out, said = run("bench", file, "--profile", *brief, "--history", history)
    assert code == 5, said
    assert "has 2 subgraphs" in said
    assert "p50" in out
    assert len(history.read_text().splitlines()) == 1


def test_what_is_no_measurement_is_named(run: Run, tmp_path: Path) -> None:
    code, _, said = run("compare", tmp_path / "a", tmp_path / "b")
    assert code == 2
    assert "Cannot read" in said


def test_this_machine_is_listed_and_asked() -> None:
    assert "local" in edgekit("devices").stdout
    assert "local" in json.loads(edgekit("devices", "list", "--json").stdout)
    done = edgekit("devices", "probe", "local", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runtimes"]["onnxruntime"]["version"]
