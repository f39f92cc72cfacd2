"""A request holds everything that was asked for, and any process can be given it."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.config import project, targets
from edgekit.pipeline.request import BuildRequest
from edgekit.types import Target

TOML = """\
[model]
source = "model.py:build"
input = { shape = [1, 6, 6] }
[data]
train = "data.npz"
test  = "data.npz"
[data.preprocess]
scale = 10
[task]
kind = "classification"
[budget]
latency_ms = 3
[recipe]
seed = 7
[recipe.distill]
student = { width = 0.5 }
assistants = ["pruned"]
[recipe.distill.losses]
attention-transfer = 2.0
[target.raspberrypi4.budget]
accuracy_drop = 0.01
"""
ELSEWHERE = """\
import pickle, sys
request = pickle.load(sys.stdin.buffer)
recipe = request.project.recipe
print(
    *(request.target.name, recipe.seed, recipe.distill.student.width),
    *(request.project.budget.accuracy_drop, request.threads),
)
assert "torch" not in sys.modules
"""


def request_for(folder: Path, target: Target) -> BuildRequest:
    (folder / "edgekit.toml").write_text(TOML)
    one = project.load(folder).for_target(target)
    return BuildRequest(project=one, target=target, allow_pickle=True)


@pytest.mark.parametrize("target", targets.known(), ids=lambda one: one.name)
def test_a_request_pickles_for_every_target(tmp_path: Path, target: Target) -> None:
    request = request_for(tmp_path, target)
    assert pickle.loads(pickle.dumps(request)) == request


def test_another_process_reads_the_same_without_torch(tmp_path: Path) -> None:
    request = request_for(tmp_path, targets.load("raspberrypi4"))
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        input=pickle.dumps(request),
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().split() == ["raspberrypi4", "7", "0.5", "0.01", "1"]


def test_threads_are_the_recipes_or_the_profiles(tmp_path: Path) -> None:
    request = request_for(tmp_path, targets.load("raspberrypi4"))
    assert request.threads == request.target.threads
    recipe = request.project.recipe
    recipe = replace(recipe, bench=replace(recipe.bench, threads=3))
    asked = replace(request, project=replace(request.project, recipe=recipe))
    assert asked.threads == 3
