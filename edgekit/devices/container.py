"""`container:IMAGE`: a container of this machine's Docker, with limits.

Limits: `container:IMAGE?cpus=0.5&memory=256m&cpuset=0&platform=linux/arm64`. A CPU quota does
not slow the clock: it lets the same speed through in bursts, and the agent reports the
throttling.
"""

from __future__ import annotations

import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.devices import faults
from edgekit.devices.link import Reply, pipe
from edgekit.errors import (
    DeviceError,
    DeviceOutOfMemory,
    DeviceUnreachable,
    EdgeKitError,
    LinkLost,
)

_START_S = 60.0
_FAULTS = (
    (
        r"Cannot connect to the Docker daemon|error during connect"
        r"|permission denied while trying to connect",
        DeviceUnreachable,
        "Docker's daemon cannot be reached. Start it, or join the group docker",
    ),
    (
        r"No such image|pull access denied|manifest unknown|repository does not exist"
        r"|Unable to find image|failed to resolve reference|not found: manifest",
        DeviceUnreachable,
        "there is no such image here. Build or pull it",
    ),
    (
        r"No such container|is not running|container .* is not running",
        LinkLost,
        "the container ended. Start the command again: what was finished is kept",
    ),
)


@dataclass(kw_only=True)
class ContainerLink:
    """One container, started when it is first needed and removed by `close`."""

    name: str
    image: str
    cpus: str | None = None
    memory: str | None = None
    cpuset: str | None = None
    platform: str | None = None
    _container: str | None = field(default=None, init=False, repr=False)

    def shell(
        self,
        script: str,
        *,
        timeout_s: float,
        source: Path | None = None,
        beating: bool = False,
    ) -> Reply:
        """Run a script there; see `Link.shell`."""
        name = self._start()
        command = ["docker", "exec", "-i", name, "sh", "-c", script]
        return pipe(command, timeout_s=timeout_s, source=source, beating=beating)

    def explain(self, reply: Reply) -> EdgeKitError | None:
        """The fault of the connection behind a reply; None where it worked."""
        if reply.status == 0:
            return None
        found = faults.find(reply.said, self.name, _FAULTS)
        suspicious = found or reply.status == 137
        if suspicious and self._inspect("{{.State.OOMKilled}}") == "true":
            return DeviceOutOfMemory(
                f"{self.name}: the kernel ended a process because the container's memory ran "
                f"out ({self.memory or 'no limit'}). Give it more, or take a smaller model."
            )
        return found

    def close(self) -> None:
        """End the connection and remove its traces."""
        name, self._container = self._container, None
        if name:
            command = ["docker", "rm", "--force", "--volumes", name]
            subprocess.run(command, capture_output=True, timeout=60, check=False)

    def _start(self) -> str:
        if self._container:
            return self._container
        name = f"edgekit-device-{uuid.uuid4().hex[:12]}"
        limits = {
            "--cpus": self.cpus,
            "--memory": self.memory,
            "--memory-swap": self.memory,
            "--cpuset-cpus": self.cpuset,
            "--platform": self.platform,
        }
        given = [
            part for key, value in limits.items() if value for part in (key, value)
        ]
        # --init: as process 1 a crashed agent would ignore its own signal and hang.
        command = ["docker", "run", "--detach", "--init", "--name", name, *given]
        command += ["--network", "none", "--pull", "never", self.image]
        reply = pipe([*command, "sleep", "86400"], timeout_s=_START_S)
        if reply.status != 0:
            self._container = name
            self.close()
            if reply.status is None:
                raise faults.frozen(self.name, _START_S)
            raise self.explain(reply) or DeviceError(
                f"{self.name}: the container does not start ({reply.said.strip()[-300:]})."
            )
        self._container = name
        return name

    def _inspect(self, what: str) -> str:
        command = ["docker", "inspect", "--format", what, self._container or "?"]
        reply = pipe(command, timeout_s=_START_S)
        return reply.output.decode(errors="replace").strip()
