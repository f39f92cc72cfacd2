"""Environment of a step: the target's profile, an attached device, a project without a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgekit.api.datasets import Data
from edgekit.config import targets
from edgekit.config.project import FILE, Project
from edgekit.devices import Device
from edgekit.devices.resolve import attached
from edgekit.errors import DeviceError, OutputError
from edgekit.pipeline.environment import Environment, InMemory
from edgekit.pipeline.request import BuildRequest
from edgekit.progress import Progress
from edgekit.runtimes import registry
from edgekit.store import Store
from edgekit.types import Budget, ModelSpec, Provenance, Recipe, Target

_NAME = "network"


def profile(target: str | Target) -> Target:
    """The profile of a target, by name from `targets/` here and EdgeKit's own, or as it is."""
    if isinstance(target, Target):
        return target
    return targets.load(target, folders=[Path("targets")])


def project_of(
    data: Data, *, budget: Budget | None = None, recipe: Recipe | None = None
) -> Project:
    """A project that no file describes; its paths are relative to the current folder."""
    budget, root = budget or Budget(), Path.cwd()
    asked = [*budget.limits()]
    return Project(
        name=_NAME,
        root=root,
        file=root / FILE,
        model=ModelSpec(source=_NAME),
        data=data.spec,
        task=data.task,
        budget=budget,
        recipe=recipe or Recipe(),
        priority=tuple(asked),
    )


@contextmanager
def attached_environment(
    request: BuildRequest,
    *,
    device: str,
    progress: Progress,
    in_memory: InMemory | None = None,
) -> Iterator[Environment]:
    """The device at the address `device`, attached for `request` while the block lasts.

    Raises `DeviceError` where the device's timings do not hold for the target, `UsageError` for
    an address of another form.
    """
    target = request.target
    provenance: Provenance | None = "device" if target.cpu == "host" else None
    requested: Any = request.project.recipe.export.runtimes or target.runtimes
    runtimes = registry.measured(requested)
    with attached(device, provenance=provenance, runtimes=runtimes) as there:
        if device != "local":
            _refuse_foreign(target, there)
        yield Environment(
            device=there, store=Store(), progress=progress, in_memory=in_memory
        )


def folder_at(path: str | Path) -> Path:
    """A folder to write into, made where it is missing; raises `OutputError` where it cannot be."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"Cannot make the folder {folder} ({error.strerror}). Name another."
        ) from error
    return folder


def _refuse_foreign(target: Target, device: Device) -> None:
    """A device of another architecture than the target's proves nothing about it."""
    machine = device.probe()["machine"]
    if machine["emulated"]:
        raise DeviceError(
            f"{device.name} is emulated ({machine['emulation_evidence']}): a build times "
            "operators and artifacts, and its times mean nothing. Leave --device out."
        )
    if machine["arch"] != target.arch:
        raise DeviceError(
            f"{device.name} is a {machine['arch']}; {target.name} is a {target.arch}. Name "
            "the board, or the target that this device is: edgekit targets."
        )
