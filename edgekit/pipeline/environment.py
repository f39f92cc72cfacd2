"""Resources of a build in this process, which are not part of the request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from edgekit.devices import Device
from edgekit.distill import tasks
from edgekit.pipeline.samples import Held
from edgekit.program.program import Program
from edgekit.progress import Progress
from edgekit.store import Store
from edgekit.types import Target


@dataclass(frozen=True, kw_only=True)
class InMemory:
    """Objects in the caller's memory, in place of files that the project names."""

    network: Program
    samples: Mapping[str, Held] = field(default_factory=dict)
    """By the name that `[data]` gives them; other names are read from files."""
    task: tasks.Task | None = None
    """Where losses or metric are functions in memory."""
    mark: str = ""
    """Store keys of those functions; empty where there are none."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The device, the store and the progress display of one process."""

    device: Device
    store: Store
    progress: Progress
    in_memory: InMemory | None = None

    @property
    def proven(self) -> bool:
        """Return whether timings taken here are the target's own."""
        return self.device.provenance == "device"

    @cached_property
    def probe(self) -> dict[str, Any]:
        """Inventory of the device, probed once: each probe loads every runtime in a process."""
        return self.device.probe()

    @property
    def runtimes(self) -> dict[str, str]:
        """The runtimes the device has, and their versions."""
        found = self.probe["runtimes"]
        return {
            name: fact["version"] for name, fact in found.items() if fact["version"]
        }

    def observed(self, target: Target) -> Target:
        """`target` with the instructions that the attached device has, where that is one."""
        if not self.proven:
            return target
        return replace(target, isa=tuple(self.probe["machine"]["isa"]))

    @property
    def held(self) -> Mapping[str, Held]:
        """Samples that the caller holds in memory, by the name that `[data]` gives them."""
        return self.in_memory.samples if self.in_memory else {}
