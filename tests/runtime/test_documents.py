"""The commands of README and of the guide run as they are written, on a tiny project."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgekit import data
from edgekit.types import InputSpec, Preprocess
from tests.unit.test_habits import DOCUMENTS, ROOT, shell_lines

ELSEWHERE = {
    "make ": "builds the whole environment, and runs every test",
    "docker run": "needs a Docker engine, and an image",
    "edgekit package --docker": "needs a Docker engine",
    "ssh://": "needs a board",
    "container:": "needs a Docker engine",
    "--git": "needs commits; tests/unit/bench/test_trend.py makes some",
    "accelerate launch": "needs several processors or machines",
    "--model path/to/folder": "a trained folder from elsewhere; its tests write one",
    "--target host --image": "an image; tests/device/package builds and runs them",
    "torchrun": "two whole trainings; a build of two processes has a test of its own",
}
"""Parts of commands that do not run here, and why. Their options are checked all the same."""
QUICK = """
[recipe.prune]
cost_provenance = "estimated"
rounds = 1
iterations = 1
[recipe.export]
runtimes = ["litert", "onnxruntime"]
precisions = ["fp32"]
[recipe.bench]
runtime_options_s = 0
"""
BUSY = 4
"""Exit code where the figures of a busy machine must not be quoted."""


GUIDE = (
    *("ci", "devices", "differences", "distilling", "history", "planning", "python"),
    *("quantizing", "result", "your-network"),
)
"""Pages of `docs/` about one project. Tutorials and recipes are about files from elsewhere, whose
kinds have tests of their own; generated pages show what these do; other pages are parsed alone."""
PAGES = [path for path in DOCUMENTS if path.relative_to(ROOT).parts[0] != "docs"] + [
    ROOT / "docs" / f"{name}.md" for name in GUIDE
]


def written() -> list[str]:
    """Every command in these pages, without comments."""
    lines = [
        line.partition(" #")[0].strip()
        for path in PAGES
        for line in shell_lines(path.read_text(encoding="utf-8"))
    ]
    return list(dict.fromkeys(line for line in lines if line))


def elsewhere(line: str) -> bool:
    return any(part in line for part in ELSEWHERE)


HERE = [line for line in written() if not elsewhere(line)]
FIRST = ("edgekit init", "edgekit build")
LATER = [line for line in HERE if not line.startswith(FIRST)]


@pytest.fixture(scope="module")
def place(own_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of a reader of the documents, whose recipe takes seconds."""
    folder = tmp_path_factory.mktemp("reader") / "project"
    shutil.copytree(own_project, folder)
    toml = folder / "edgekit.toml"
    text = toml.read_text().replace("epochs = 4", "epochs = 1")
    text = text.replace(
        "speedup       = 1.5\n", ""
    )  # nothing that a noisy run could miss
    toml.write_text(text.replace("accuracy_drop = 0.05", "accuracy_drop = 0.9") + QUICK)
    command = folder.parent / "bin" / "edgekit"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m edgekit "$@"\n')
    command.chmod(0o755)
    return folder


def typed(line: str, folder: Path) -> int:
    """The exit code of a command typed in the folder, its parts one after another."""
    given = {
        "PATH": f"{folder.parent / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "EDGEKIT_CACHE": str(folder.parent / "cache"),
        "EDGEKIT_LOCK": str(folder.parent / "lock"),
    }
    for part in line.split("&&"):
        done = subprocess.run(
            ["sh", "-c", part],
            cwd=folder,
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            timeout=600,
        )
        busy = done.returncode == BUSY and " bench " in f" {part} "
        if done.returncode and not busy:
            pytest.fail(f"{part} ended with {done.returncode}: {done.stderr[-600:]}")
    return done.returncode


@pytest.fixture(scope="module")
def built(place: Path) -> Path:
    """After `edgekit build --target raspberrypi`, with the files that the documents name."""
    [line] = [line for line in HERE if line.startswith("edgekit build")]
    typed(line, place)
    bundle = place / "build" / "raspberrypi"
    [tflite] = bundle.rglob("litert-fp32.tflite")
    [onnx] = bundle.rglob("onnxruntime-fp32.onnx")
    for name in ("model.tflite", "new.tflite"):
        shutil.copyfile(tflite, place / name)
    for name in ("model.onnx", "new.onnx", "old.onnx"):
        shutil.copyfile(onnx, place / name)
    shutil.copyfile(bundle / "student.pt2", place / "student.pt2")
    samples = data.load(
        "data/test",
        root=place,
        input=InputSpec(shape=(3, 16, 16)),
        preprocess=Preprocess(mean=(0.5,) * 3, std=(0.25,) * 3),
    )
    np.save(place / "fed.npy", samples.arrays()[0][:16])
    return place


def test_each_command_runs_here_or_has_its_reason() -> None:
    unused = [part for part in ELSEWHERE if not any(part in line for line in written())]
    assert not unused, "no document has these any more"
    assert len(HERE) > len(FIRST), "the documents show what runs everywhere"
    assert all(line.startswith("edgekit ") for line in HERE), "give it a reason"


def test_init_runs_as_it_is_written(own_project: Path, place: Path) -> None:
    [line] = [line for line in HERE if line.startswith("edgekit init")]
    fresh = place.parent / "fresh"
    shutil.copytree(own_project, fresh, ignore=shutil.ignore_patterns("edgekit.toml"))
    typed(line, fresh)
    assert 'source  = "model.py:build"' in (fresh / "edgekit.toml").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("line", LATER)
def test_a_command_runs_as_it_is_written(line: str, built: Path) -> None:
    assert typed(line, built) in (0, BUSY)
