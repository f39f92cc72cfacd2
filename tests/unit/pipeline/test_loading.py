"""Runtimes of a build: those of the profile or the recipe that the device has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from edgekit.config import project, targets
from edgekit.devices.local import LocalDevice
from edgekit.errors import DeviceError
from edgekit.pipeline.environment import Environment, InMemory
from edgekit.pipeline.loading import load_network, runtimes_of
from edgekit.pipeline.request import BuildRequest
from edgekit.program.program import trace
from edgekit.progress import Silent
from edgekit.store import Store
from edgekit.types import ExportRecipe, InputSpec, RuntimeName


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
