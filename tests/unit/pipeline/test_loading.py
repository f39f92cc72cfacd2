"""Runtimes of a build: those of the profile or the recipe that the device has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from edgekit.config import project, targets
from edgekit.devices.local import LocalDevice
from edgekit.errors import DeviceError
from edgekit.evaluate.accuracy import evaluate
from edgekit.pipeline.check_data import judged
from edgekit.pipeline.environment import Environment, InMemory
from edgekit.pipeline.loading import Loaded, load, load_network, runtimes_of
from edgekit.pipeline.request import BuildRequest
from edgekit.program.program import trace
from edgekit.progress import Silent
from edgekit.store import Store
from edgekit.tasks.scores import accuracy
from edgekit.types import ExportRecipe, InputSpec, RuntimeName
from tests.unit.pipeline.points import environment


@dataclass(frozen=True, kw_only=True)
class Stored(LocalDevice):
    """A machine whose probe was stored: it has some runtimes and lacks the others."""

    present: tuple[str, ...]

    def probe(self) -> dict[str, Any]:
        versions = dict.fromkeys(("litert", "onnxruntime"), None)
        found = {**versions, **dict.fromkeys(self.present, "1.0")}
        return {
            "machine": {"isa": []},
            "runtimes": {name: {"version": one} for name, one in found.items()},
        }


def found(
    folder: Path, present: tuple[str, ...], asked: tuple[RuntimeName, ...] | None = None
) -> tuple[RuntimeName, ...]:
    device = Stored(present=present)
    env = Environment(device=device, store=Store(folder), progress=Silent())
    recipe = ExportRecipe(runtimes=asked)
    return runtimes_of(recipe, targets.load("raspberrypi4"), env)


def test_runtimes_are_those_of_the_profile_that_are_there(tmp_path: Path) -> None:
    assert found(tmp_path, ("onnxruntime", "litert"))[0] == "litert"
    assert found(tmp_path, ("litert",)) == ("litert",)
    assert found(
        tmp_path, ("litert", "onnxruntime"), asked=("onnxruntime", "litert")
    ) == ("onnxruntime", "litert")


def test_a_first_runtime_that_is_not_there_is_named_with_its_remedy(
    tmp_path: Path,
) -> None:
    with pytest.raises(DeviceError, match=r"no litert.*pip install 'edgekit\[litert\]"):
        found(tmp_path, ("onnxruntime",))


def test_a_runtime_that_the_profile_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"does not run openvino.*recipe\.export"):
        found(tmp_path, ("litert",), asked=("litert", "openvino"))


def test_a_network_in_memory_is_taken_as_it_is(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = trace(nn.Linear(4, 2), (InputSpec(shape=(4,)),))
    env = Environment(
        device=LocalDevice(),
        store=Store(tmp_path),
        progress=Silent(),
        in_memory=InMemory(network=network),
    )
    target = targets.load("raspberrypi4")
    request = BuildRequest(project=project.example(), target=target)
    assert load_network(request, env) is network


def loaded_kinds(request: BuildRequest, root: Path) -> tuple[Loaded, dict[str, bool]]:
    """The loaded inputs, and which kinds of stages were kept."""
    env = environment(root)
    found = load(request, env, {})
    return found, {one.kind: one.kept for one in env.store.outcomes}


def with_metric(request: BuildRequest, metric: str) -> BuildRequest:
    task = replace(request.project.task, metric=metric)
    return replace(request, project=replace(request.project, task=task))


def test_the_networks_answers_are_kept_and_another_metric_judges_them(
    request_: BuildRequest, tmp_path: Path
) -> None:
    first, ran = loaded_kinds(request_, tmp_path)
    again, kept = loaded_kinds(request_, tmp_path)
    assert again.reference == first.reference
    assert (ran, kept) == (
        {"outputs": False, "doubts": False},
        {"outputs": True, "doubts": True},
    )
    judge = request_.project.root / "metric.py"
    judge.write_text("def third(outputs, targets):\n    return 1 / 3\n")
    other, kept = loaded_kinds(with_metric(request_, "metric.py:third"), tmp_path)
    assert other.reference.value == pytest.approx(1 / 3)
    assert kept == {"outputs": True, "doubts": False}


def test_other_samples_are_answered_again(
    request_: BuildRequest, loaded: Loaded, tmp_path: Path
) -> None:
    test, spec = loaded.samples.test, request_.project.task
    env = environment(tmp_path)
    for chosen in (test, test.subset([0, 1, 2, 3]), test):
        samples = replace(loaded.samples, test=chosen)
        _, reference, _ = judged(
            loaded.teacher, samples, spec, accuracy, env.store, Silent()
        )
        assert reference == evaluate(loaded.teacher, chosen)
    assert [one.kept for one in env.store.outcomes] == [False, False, True]
