"""`adb://SERIAL`: an Android device, or whatever else answers to adb.

The agent runs where the device has a Python (`?python=/data/...`). Where it has none,
`?benchmark_model=FILE` names TensorFlow Lite's own benchmark binary for its processor.
"""

from __future__ import annotations

import json
import re
import shlex
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from edgekit.devices import faults, jobs
from edgekit.devices.link import Reply, pipe
from edgekit.devices.wheels import digest
from edgekit.errors import (
    ArtifactError,
    DeviceError,
    DeviceFrozen,
    DeviceUnreachable,
    EdgeKitError,
    LinkLost,
    UsageError,
)
from edgekit.runtimes import registry
from edgekit.runtimes.record import Runtime
from edgekit.types import Provenance

_FAULTS = (
    (
        r"device unauthorized|device still authorizing",
        DeviceUnreachable,
        "it has not allowed this computer. Unlock it and accept the debugging question",
    ),
    (
        r"device offline",
        DeviceFrozen,
        "it is connected and does not answer. Reconnect it, or restart its adbd",
    ),
    (
        r"device .* not found|no devices/emulators found|more than one device",
        DeviceUnreachable,
        "no such device is connected. `adb devices` lists those that are",
    ),
    (
        r"^(error|adb): .*(closed|protocol fault|connection reset)|failed to read",
        LinkLost,
        "the connection ended in the middle. Start the command again: what was finished "
        "is kept",
    ),
    (
        r"cannot connect to daemon|failed to start daemon",
        DeviceUnreachable,
        "adb's own server does not start here. Try `adb start-server`",
    ),
)
_HOME = "${EDGEKIT_CACHE:-/data/local/tmp/edgekit}"
_PUSH_S = 300.0
_ASK_S = 30.0


@dataclass(kw_only=True)
class AdbLink:
    """A shell on an Android device, by `adb`."""

    name: str
    serial: str

    def shell(
        self,
        script: str,
        *,
        timeout_s: float,
        source: Path | None = None,
        beating: bool = False,
    ) -> Reply:
        """Run a script there; see `Link.shell`."""
        # An Android shell has neither HOME nor a place that everybody may write to.
        placed = f"export EDGEKIT_CACHE={_HOME}; {script}"
        command = ["adb", "-s", self.serial, "shell", "-T", placed]
        return pipe(command, timeout_s=timeout_s, source=source, beating=beating)

    def explain(self, reply: Reply) -> EdgeKitError | None:
        """The fault of the connection behind a reply; None where it worked."""
        if reply.status == 0:
            return None
        words = "\n".join(
            line for line in reply.said.splitlines() if re.match(r"(error|adb): ", line)
        )
        return faults.find(words, self.name, _FAULTS)

    def close(self) -> None:
        """Nothing stays open: every command is a connection of adb's own server."""


_TIMER = "benchmark_model"


@dataclass(frozen=True, kw_only=True)
class BenchmarkModel:
    """A device without Python: `benchmark_model` runs there and its output is read."""

    link: AdbLink
    binary: str
    provenance: Provenance = "device"

    @property
    def name(self) -> str:
        """The address of the device."""
        return self.link.name

    def run(self, job: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        """The result of a "bench" job: averages, because that is what the tool reports."""
        form, timed = registry.of_file(Path(job["path"])), _timed()
        if job["kind"] != "bench" or form is None or form.name != timed.name:
            raise DeviceError(
                f"{self.name} has no agent: {_TIMER} only times {timed.suffix} files. Name a "
                f"Python on the device for more: {self.name}?python=/path"
            )
        folder = PurePosixPath("/data/local/tmp/edgekit") / uuid.uuid4().hex[:12]
        tool, model = folder / "benchmark_model", folder / Path(job["path"]).name
        self._put(Path(self.binary), tool)
        try:
            self._put(Path(job["path"]), model)
            script = (
                f"chmod 755 {_q(tool)} && timeout {timeout_s:.0f} {_q(tool)} "
                + " ".join(_arguments(job, str(model)))
            )
            reply = self._ask(script, timeout_s + _ASK_S)
        finally:
            self.link.shell(f"rm -rf {_q(folder)}", timeout_s=_ASK_S)
        said = reply.output.decode(errors="replace") + reply.said
        if reply.status:
            raise ArtifactError(
                f"bench of {job['path']} on {self.name}: benchmark_model ended with exit "
                f"status {reply.status} ({said.strip().splitlines()[-1:]})."
            )
        return {
            **parse(said),
            "threads": job.get("threads", 1),
            "machine": self._facts(),
        }

    def probe(self) -> dict[str, Any]:
        """Facts of the device, read over `adb` without an agent."""
        absent = "there is no agent on the device: benchmark_model runs instead"
        return {
            **jobs.done("probe"),
            "machine": self._facts(),
            "numpy": None,
            "runtimes": {
                **{n: {"version": None, "reason": absent} for n in registry.known()},
                _timed().name: {"version": _TIMER, "reason": None},
            },
            "meters": {},
        }

    def fingerprint(self) -> str:
        """A text that changes with the device or the benchmark binary."""
        binary = digest(self._binary())[:16]
        return f"{json.dumps(self._facts(), sort_keys=True)}; benchmark_model {binary}"

    def _facts(self) -> dict[str, Any]:
        reply = self._ask(
            "uname -m; getprop ro.product.model 2>/dev/null || echo unknown", _ASK_S
        )
        arch, _, model = reply.output.decode(errors="replace").strip().partition("\n")
        return {
            "arch": arch,
            "cpu": model or None,
            "cpu_revision": None,
            "isa": [],
            "cores": None,
            "memory_mb": None,
            "os": "Android",
            "python": None,
            "governor": None,
            "emulated": None,
            "emulation_evidence": "there is no agent on the device to look",
        }

    def _put(self, file: Path, place: PurePosixPath) -> None:
        script = (
            f"mkdir -p {_q(place.parent)} && cat >{_q(place)}.part && "
            f"mv {_q(place)}.part {_q(place)}"
        )
        reply = self._ask(script, _PUSH_S, file)
        if reply.status:
            error = faults.of_shell(reply.said, self.name)
            raise error or DeviceError(f"{self.name}: cannot write {place} there.")

    def _ask(self, script: str, timeout_s: float, source: Path | None = None) -> Reply:
        reply = self.link.shell(script, timeout_s=timeout_s, source=source)
        if error := self.link.explain(reply):
            raise error
        if reply.status is None:
            raise faults.frozen(self.name, timeout_s)
        return reply

    def _binary(self) -> Path:
        if not Path(self.binary).is_file():
            raise UsageError(
                f"No file {self.binary}. Name benchmark_model for the device's processor."
            )
        return Path(self.binary)


def _timed() -> Runtime:
    """The runtime whose files the program times."""
    return next(one for one in registry.formats() if one.timer == _TIMER)


def parse(said: str) -> dict[str, Any]:
    """A "bench" result from what benchmark_model prints; raises DeviceError without averages."""
    timings = re.search(
        r"Inference timings in us: Init: ([\d.e+]+), First inference: ([\d.e+]+), "
        r"Warmup \(avg\): ([\d.e+]+), Inference \(avg\): ([\d.e+]+)",
        said,
    )
    counts = re.findall(r"^count=(\d+) ", said, re.MULTILINE)
    if not timings or not counts:
        raise DeviceError(
            "benchmark_model printed no 'Inference timings in us': is it TensorFlow Lite's?"
        )
    init, first, _, average = (float(number) / 1e3 for number in timings.groups())
    peak = re.search(
        r"Peak memory footprint \(MB\): init=[\d.]+ overall=([\d.]+)", said
    )
    median = re.search(r"median=([\d.]+)[^\n]*$", said, re.MULTILINE)
    return {
        **jobs.done("bench"),
        "runtime": _timed().name,
        "runtime_version": _TIMER,
        "load_ms": init,
        "first_ms": first,
        "warmup": {"runs": int(counts[0]), "seconds": None, "plateau": None},
        "samples_ns": [],
        "summary": {
            "samples": int(counts[-1]),
            "mean_ms": average,
            "p50_ms": float(median.group(1)) / 1e3 if median else None,
        },
        "complete": True,
        "peak_memory_mb": float(peak.group(1)) if peak else None,
        "trace": [],
    }


def _arguments(job: Mapping[str, Any], model: str) -> list[str]:
    return [
        f"--graph={_q(model)}",
        f"--num_threads={job.get('threads', 1)}",
        f"--warmup_runs={job.get('warmup_min_runs', 10)}",
        f"--warmup_min_secs={job.get('warmup_min_s', 2.0)}",
        f"--num_runs={job.get('min_runs', 100)}",
        f"--min_secs={job.get('min_s', 10.0)}",
        f"--max_secs={job.get('max_s', 60.0)}",
        "--report_peak_memory_footprint=true",
    ]


def _q(text: object) -> str:
    return shlex.quote(str(text))
