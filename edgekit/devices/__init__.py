"""How to reach a device: it runs one job of the agent at a time, in a fresh process."""

from __future__ import annotations

from typing import Any, Protocol

from edgekit.agent.schema import Job
from edgekit.types import Provenance


class Device(Protocol):
    """Where artifacts run. Jobs and results are those of `edgekit.agent.schema`."""

    @property
    def name(self) -> str:
        """The user's address of it: `local`, `ssh://pi@raspberrypi`."""

    @property
    def provenance(self) -> Provenance:
        """The provenance of a figure timed there: `host` or `device`."""

    def run(self, job: Job, *, timeout_s: float) -> dict[str, Any]:
        """The result of one agent process from start to end; paths are of this machine.

        `jobs` builds every job.

        Raises DeviceError, RuntimeMissing or ArtifactError; no process is left behind.
        """

    def probe(self) -> dict[str, Any]:
        """Inventory of the device: the result of a "probe" job."""

    def fingerprint(self) -> str:
        """One line that changes when figures measured there no longer hold."""
