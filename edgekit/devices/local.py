"""This machine as a device."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit import child
from edgekit.agent import machine, meters
from edgekit.devices import jobs
from edgekit.devices.lock import turn
from edgekit.devices.packing import pack_agent
from edgekit.devices.results import understand
from edgekit.errors import DeviceError
from edgekit.scratch import folder as scratch_folder
from edgekit.types import Provenance

_KEPT = (
    "PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH",
    "PYTHONSAFEPATH", "VIRTUAL_ENV", machine.DECLARED, meters.ROOT,
)  # fmt: skip
_GRACE_S = 5.0
"""The agent ends itself this long after we would have ended it, should we be gone by then."""
_PROBE_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class LocalDevice:
    """Runs each job in a fresh process of `python`, which needs numpy and the runtime only."""

    python: str = sys.executable
    name: str = "local"
    provenance: Provenance = "host"
    """`device` where this machine is itself the target."""

    def run(self, job: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        """The result of `job`; raises DeviceError, RuntimeMissing or ArtifactError."""
        with scratch_folder() as name:
            folder = Path(name)
            job_file, result_file = folder / "job.json", folder / "result.json"
            complete = {"timeout_s": timeout_s + _GRACE_S, **job}
            job_file.write_text(json.dumps(complete))
            agent = pack_agent(folder / "agent.pyz")
            command = [self.python, str(agent), str(job_file), str(result_file)]
            with turn(job):
                status, said = run_process(
                    command,
                    environment={**_environment(job), "TMPDIR": str(name)},
                    screen=folder / "screen.txt",
                    timeout_s=timeout_s,
                )
            reply = result_file.read_text() if result_file.is_file() else None
        return understand(status, said, reply, job=job, device=self.name)

    def probe(self) -> dict[str, Any]:
        """The result of a "probe" job."""
        return self.run(jobs.probe(), timeout_s=_PROBE_TIMEOUT_S)

    def fingerprint(self) -> str:
        """A text that changes when figures measured there no longer hold."""
        return machine.fingerprint(machine.facts())


def _environment(job: Mapping[str, Any]) -> dict[str, str]:
    """Little more than where things are: a launch must not depend on the user's shell."""
    ours = child.foreign_environment()
    return {
        **{key: ours[key] for key in _KEPT if key in ours},
        "OMP_NUM_THREADS": str(job.get("threads", 1)),
        "OPENBLAS_NUM_THREADS": "1",  # of numpy, which only carries arrays here
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run_process(
    command: list[str],
    *,
    environment: Mapping[str, str],
    screen: Path,
    timeout_s: float,
) -> tuple[int, str]:
    """Exit status and what was written to the screen; the whole process group ends with us.

    It runs in the folder of `screen`.
    """
    with screen.open("wb") as output:
        try:
            process = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=screen.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise DeviceError(
                f"Cannot start {command[0]} ({error.strerror}). "
                "Name a Python of 3.9 or newer that has numpy and the runtime."
            ) from error
        try:
            process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise DeviceError(
                f"The agent did not finish within {timeout_s:g} s and was ended. The model may "
                "be too slow for this protocol; a smaller model or the quick tier takes less."
            ) from error
        finally:
            # Whatever happened (Ctrl-C too), nothing of the group outlives this call.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return process.returncode, screen.read_text(errors="replace")
