"""A runtime whose files run nowhere here: one new folder, and a build converts for it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from tests.runtime.pipeline.test_toy_runtime import edgekit, written

RECORD = """
from edgekit.runtimes.record import Runtime

RECORD = Runtime(
    name="paper-tape", title="Paper tape", color="#56B4E9", suffixes=(".tape",),
    recognizes=lambda head: head.startswith(b"TAPE"), precisions=("fp32", "int8-weights"),
    package="numpy", module="numpy", install="pip install numpy", extra="tape",
    libraries={"numpy": "numpy"}, export_only=True,
)
"""
EXPORTER = """
from edgekit.runtimes.protocol import BaseQuantizer
from edgekit.types import TensorSpec


def convert(program, path):
    sizes = [tuple(one.shape) for one in program.module.parameters()]
    path.write_bytes(b"TAPE fp32 " + repr(sizes).encode())


class quantizer(BaseQuantizer):
    def layers(self):
        raise AssertionError("nothing can be judged")

    def quantize(self, precision, quant_config, path):
        path.write_bytes(self._fp32.read_bytes().replace(b"fp32", b"int8"))


def write(source, labels, path):
    path.write_bytes(source.read_bytes())


def signature(path):
    ends = ("x", 6), ("y", 3)
    return tuple((TensorSpec(name=n, shape=(1, k), dtype="float32"),) for n, k in ends)
"""
BOARD = """
description = "A board beside a tape punch"
arch = "x86_64"
cpu = "max"
cores = 2
runtimes = {runtimes}
precisions = ["fp32"]
image = "linux/amd64"
"""


def project(folder: Path, runtimes: str, record: str = RECORD) -> Path:
    """A project; beside it the runtime's one folder, which has no half on the device."""
    files = {
        "plugin/runtimes/paper_tape/__init__.py": record,
        "plugin/runtimes/paper_tape/exporter.py": EXPORTER,
        "project/targets/board.toml": BOARD.format(runtimes=runtimes),
    }
    return written(folder, files)


@pytest.mark.slow
def test_the_student_is_converted_and_nothing_of_it_is_measured(tmp_path: Path) -> None:
    folder = project(tmp_path, '["paper-tape", "onnxruntime"]')
    done = edgekit(folder, "build", "-t", "board", "--yes")
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1), done.stderr
    assert "converted, not run: paper-tape-int8-weights" in done.stdout
    bundle = folder / "build/board"
    report = json.loads((bundle / "report.json").read_text())
    runtimes = {one["artifact"]["runtime"] for one in report["candidates"]}
    assert runtimes == {"onnxruntime"}
    assert {one["runtime"] for one in report["baselines"]} == {"onnxruntime"}
    named = [one["artifact"]["name"] for one in report["converted"]]
    assert named == ["paper-tape-fp32", "paper-tape-int8-weights"]
    for one in report["converted"]:
        assert one["parity"] is one["evaluation"] is one["measurement"] is None
        assert one["how"]["run"].startswith("converted, not run")
        file = bundle / one["artifact"]["files"][0]
        assert one["size_mb"] == pytest.approx(file.stat().st_size / 2**20)
        kind = "int8" if one["artifact"]["precision"] == "int8-weights" else "fp32"
        assert file.read_bytes().startswith(f"TAPE {kind} [(".encode())
    # Of the student that ships, whatever of it was cut.
    parameters = report["student"]["parameters"]
    shapes = ast.literal_eval(file.read_bytes()[len("TAPE int8 ") :].decode())
    assert sum(one[0] * (one[1] if len(one) > 1 else 1) for one in shapes) == parameters
    assert "Paper tape: converted, not run" in (bundle / "report.html").read_text()

    refused = edgekit(folder, "bench", "build/board/candidates/paper-tape-fp32.tape")
    assert refused.returncode == 2
    assert "Paper tape files are converted and not run" in refused.stderr


@pytest.mark.parametrize(
    ("runtimes", "record", "said"),
    [
        ('["paper-tape"]', RECORD, "has paper-tape alone, whose files are converted"),
        (
            '["onnxruntime", "paper-tape"]',
            RECORD.replace('{"numpy"', '{"tape_punch"'),
            "Paper tape export needs numpy: pip install 'edgekit[tape]'",
        ),
    ],
)
def test_what_it_cannot_do_is_refused_at_once(
    tmp_path: Path, runtimes: str, record: str, said: str
) -> None:
    folder = project(tmp_path, runtimes, record)
    done = edgekit(folder, "build", "-t", "board", "--yes")
    assert done.returncode == 3
    assert said in " ".join(done.stderr.split())
    assert not (folder / "build/board").exists()
