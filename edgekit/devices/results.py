"""From how an agent process ended to its result, or to an error that names the fix."""

from __future__ import annotations

import json
import re
import signal
from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.agent import errors as kinds
from edgekit.agent.schema import SCHEMA
from edgekit.errors import (
    AgentKilled,
    ArtifactError,
    DeviceBusy,
    DeviceError,
    DeviceOutOfMemory,
    EdgeKitError,
    LinkLost,
    RuntimeMissing,
)
from edgekit.runtimes import registry

_KINDS: Mapping[str, type[DeviceError]] = {
    kinds.OUT_OF_MEMORY: DeviceOutOfMemory,
    kinds.KILLED: AgentKilled,
    kinds.LINK_LOST: LinkLost,
    kinds.BUSY: DeviceBusy,
}
_SAMPLES = re.compile(r'"samples_ns": \[(\d[\d, ]*)\]')
_SIGNALS = {
    signal.SIGKILL: "killed from outside, most often because memory ran out",
    signal.SIGSEGV: "the runtime crashed on this model",
    signal.SIGABRT: "the runtime gave up on this model",
    signal.SIGBUS: "the runtime crashed on this model, or the disk is full",
    signal.SIGILL: "the runtime was built for a newer processor than this one",
    signal.SIGALRM: "it did not finish in time",
}


def understand(
    status: int, said: str, reply: str | None, *, job: Mapping[str, Any], device: str
) -> dict[str, Any]:
    """The result. `status` is the exit status (negative, or 128 + n, for signal n), `said` what
    the process wrote to its screen, `reply` the text of its result file."""
    if reply is None:
        killed = status in (-signal.SIGKILL, 128 + signal.SIGKILL)
        kind = AgentKilled if killed else DeviceError
        raise kind(f"{_subject(job)} on {device}: {_ending(status, said)}.")
    try:
        result = _parsed(reply)
    except ValueError as error:
        raise DeviceError(
            f"{_subject(job)} on {device}: the result is not JSON ({error})."
        ) from error
    if not isinstance(result, dict):
        raise DeviceError(f"{_subject(job)} on {device}: the result is not an object.")
    if result.get("schema") != SCHEMA:
        raise DeviceError(
            f"{_subject(job)} on {device}: the result has schema {result.get('schema')!r}; this "
            f"EdgeKit supports {SCHEMA}. Use the agent and the EdgeKit of one release."
        )
    if result.get("error"):
        raise _error(result["error"], job=job, device=device)
    return result


def _parsed(reply: str) -> Any:
    """The result, its samples as an array: there may be tens of millions of them."""
    found = _SAMPLES.search(reply)
    if found is None:
        return json.loads(reply)
    result = json.loads(f"{reply[: found.start(1)]}{reply[found.end(1) :]}")
    numbers = np.fromstring(found.group(1), dtype=np.int64, sep=",")
    result["samples_ns"] = array("q", numbers.tobytes())
    return result


def _error(
    error: Mapping[str, str], *, job: Mapping[str, Any], device: str
) -> EdgeKitError:
    kind, message = error["kind"], error["message"]
    if kind == kinds.RUNTIME_MISSING:
        fix = registry.get(job["runtime"]).install
        return RuntimeMissing(f"On {device}, {_lower(message)}: {fix}.")
    if kind == kinds.NUMPY_MISSING:
        return RuntimeMissing(f"On {device}, {_lower(message)}: pip install numpy.")
    if kind in (kinds.MODEL_UNREADABLE, kinds.INPUTS_INVALID, kinds.INFERENCE_FAILED):
        return ArtifactError(f"{_subject(job)} on {device}: {message}")
    where = f" ({error['where']})" if "where" in error else ""
    raised = _KINDS.get(kind, DeviceError)
    return raised(f"{_subject(job)} on {device}: {message}{where}")


def _ending(status: int, said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    last = f": {lines[-1].strip()[:300]}" if lines else ""
    number = -status if status < 0 else status - 128
    try:
        ended = signal.Signals(number)
    except ValueError:
        return f"the agent ended with exit status {status} and no result{last}"
    meaning = _SIGNALS.get(ended, "ended by a signal")
    return f"the agent ended with {ended.name} ({128 + number}): {meaning}{last}"


def _lower(message: str) -> str:
    """A sentence as the middle of another one."""
    return message[:1].lower() + message[1:].rstrip(".")


def _subject(job: Mapping[str, Any]) -> str:
    """The subject of the job, by the user's names."""
    return f"{job['kind']} of {job['path']}" if "path" in job else f"{job['kind']}"
