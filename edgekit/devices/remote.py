"""A device behind a shell: files go there as one archive, the agent runs there under a
watchdog."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shlex
import tarfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from edgekit import scratch
from edgekit.agent import machine
from edgekit.agent.schema import PATHS_IN, PATHS_OUT
from edgekit.devices import faults, jobs
from edgekit.devices.link import SILENCE_S, Link, Reply
from edgekit.devices.lock import turn
from edgekit.devices.packing import pack_agent
from edgekit.devices.results import understand
from edgekit.devices.wheels import DevicePython, digest, fetch
from edgekit.errors import DeviceError, EdgeKitError, LinkLost, RuntimeMissing
from edgekit.runtimes import registry
from edgekit.types import Provenance

_SHORT_S = 30.0
_TRANSFER_S = 300.0
_SLOWEST_BYTES_PER_S = 2**19
_WAITING_S = 130.0
"""For jobs before ours on the same device: a little more than the agent waits."""
_PROBE_S = 120.0
_MEET = """\
root=${EDGEKIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/edgekit}
mkdir -p "$root/jobs" "$root/agents" "$root/envs" || exit 1
find "$root/jobs" -mindepth 1 -maxdepth 1 -mmin +1440 -exec rm -rf {} + 2>/dev/null
command -v %(python)s >/dev/null || { echo "edgekit: no python" >&2; exit 97; }
cd "$root/agents" && root=$(dirname "$PWD") || exit 1
EDGEKIT_ROOT=$root PYTHONSAFEPATH=1 exec %(python)s -c %(code)s"""
_ASK = """\
import importlib.util as i, json, os, platform, sys
n = os.confstr("CS_GNU_LIBC_VERSION") if hasattr(os, "confstr") else ""
print(json.dumps({
 "root": os.environ["EDGEKIT_ROOT"], "version": list(sys.version_info[:2]),
 "arch": platform.machine(), "libc": n or "",
 "modules": [m for m in %(modules)r if i.find_spec(m)]}))"""
_UNPACK = """\
import pathlib, sys, zipfile
for wheel in pathlib.Path(sys.argv[1]).glob("*.whl"):
    zipfile.ZipFile(wheel).extractall(sys.argv[1]); wheel.unlink()"""


@dataclass(frozen=True, kw_only=True)
class _Met:
    """Facts of the device's Python, and the place of our files."""

    root: PurePosixPath
    session: PurePosixPath
    agent: PurePosixPath
    python: DevicePython
    modules: frozenset[str]


@dataclass(kw_only=True)
class RemoteDevice:
    """Runs each job in a fresh agent process on the other side of `link`."""

    link: Link
    python: str = "python3"
    provenance: Provenance = "device"
    runtimes: tuple[str, ...] = ()
    """Those that `probe` installs where the device has none of them."""
    here: bool = False
    """True where it shares this machine's processors, and so takes turns with what is timed
    here."""
    _met: _Met | None = field(default=None, init=False, repr=False)
    _sent: set[str] = field(default_factory=set, init=False, repr=False)
    _environments: dict[str, PurePosixPath | None] = field(
        default_factory=dict, init=False, repr=False
    )

    @property
    def name(self) -> str:
        """The address of the device."""
        return self.link.name

    def run(self, job: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        """The result of `job`; raises the DeviceError that names what went wrong."""
        met = self._meet()
        known = next(iter(self._environments.values()), None)
        environment = self._environment(job["runtime"]) if "runtime" in job else known
        folder = met.session / f"job-{uuid.uuid4().hex[:12]}"
        there, files = self._translate(job, met, folder)
        complete = {"timeout_s": timeout_s, **there}
        text = json.dumps(complete).encode()
        self._send(met.session, files, {str(folder / "job.json"): text})
        variables = {
            "OMP_NUM_THREADS": str(job.get("threads", 1)),
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONSAFEPATH": "1",
            "TMPDIR": str(folder),
            "EDGEKIT_LOCK": str(met.root / "lock"),
            "EDGEKIT_PYTHON": self.python,
        }
        if environment:
            variables["PYTHONPATH"] = str(environment)
        limit_s = timeout_s + _WAITING_S
        script = (
            f"cd {_q(folder)} && env {' '.join(f'{k}={_q(v)}' for k, v in variables.items())} "
            f"timeout -k 2 {limit_s:.0f} {_q(self.python)} {_q(met.agent)} "
            f"--watchdog {SILENCE_S:g} job.json result.json"
        )
        with turn(job) if self.here else contextlib.nullcontext():
            reply = self.link.shell(script, timeout_s=limit_s + SILENCE_S, beating=True)
        if reply.status is None:
            raise self.link.explain(reply) or faults.frozen(self.name, limit_s)
        self._raise_fault(reply, of_shell=False)
        answer = self._shell(
            f"cat {_q(folder)}/result.json 2>/dev/null || :", timeout_s=_TRANSFER_S
        ).output.decode(errors="replace")
        try:
            if not answer:
                self._raise_fault(reply)
            result = understand(
                reply.status, reply.said, answer or None, job=job, device=self.name
            )
            self._fetch(job, there)
        finally:
            self._shell(f"rm -rf {_q(folder)}", timeout_s=_SHORT_S)
        return result

    def probe(self) -> dict[str, Any]:
        """Inventory of the device, `self.runtimes` installed where they were missing."""
        merged: dict[str, Any] = {}
        reasons: dict[str, str] = {}
        for runtime in self.runtimes or (None,):
            try:
                found = self.run(jobs.probe(runtime), timeout_s=_PROBE_S)
            except RuntimeMissing as error:
                reasons[runtime or ""] = str(error)
                continue
            if not merged:
                merged = found
            for name, fact in found["runtimes"].items():
                if fact["version"] and not merged["runtimes"][name]["version"]:
                    merged["runtimes"][name] = fact
        if not merged:
            raise RuntimeMissing("; ".join(reasons.values()))
        for name, reason in reasons.items():
            merged["runtimes"][name] = {"version": None, "reason": reason}
        return merged

    def fingerprint(self) -> str:
        """A text that changes when figures measured there no longer hold."""
        return machine.fingerprint(self.probe()["machine"])

    def close(self) -> None:
        """Remove what this session left there, and hang up."""
        met, self._met = self._met, None
        try:
            if met:
                self.link.shell(f"rm -rf {_q(met.session)}", timeout_s=_SHORT_S)
        except EdgeKitError:
            pass  # the link is gone; the next session clears what is a day old
        finally:
            self._sent.clear()
            self.link.close()

    def __enter__(self) -> RemoteDevice:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _meet(self) -> _Met:
        if self._met:
            return self._met
        modules = (one.module for one in registry.known().values())
        code = _ASK % {"modules": ("numpy", *modules)}
        values = {"python": _q(self.python), "code": _q(code)}
        reply = self._shell(_MEET % values, timeout_s=_SHORT_S, check=False)
        if reply.status in (97, 127):
            raise RuntimeMissing(
                f"{self.name} has no {self.python}. Install Python 3.9 or newer there, or "
                "name one: ADDRESS?python=/path/to/python"
            )
        self._raise_fault(reply)
        try:
            facts = json.loads(reply.output)
        except ValueError as error:
            raise DeviceError(
                f"{self.name}: the probe of {self.python} failed "
                f"({reply.said.strip()[-200:] or 'it said nothing'})."
            ) from error
        if tuple(facts["version"]) < (3, 9):
            raise RuntimeMissing(
                f"{self.name} has Python {'.'.join(map(str, facts['version']))}; the agent "
                "needs 3.9 or newer."
            )
        root = PurePosixPath(facts["root"])
        with scratch.folder() as folder:
            packed = pack_agent(folder / "agent.pyz")
            agent = root / "agents" / f"{digest(packed)[:16]}.pyz"
            there = self._shell(f"test -s {_q(agent)}", timeout_s=_SHORT_S, check=False)
            if there.status:
                self._put(packed, agent)
        self._met = _Met(
            root=root,
            session=root / "jobs" / uuid.uuid4().hex[:12],
            agent=agent,
            python=_python(facts),
            modules=frozenset(facts["modules"]),
        )
        return self._met

    def _environment(self, runtime: str) -> PurePosixPath | None:
        """Where the runtime was unpacked; None where the device's own Python has it."""
        met = self._meet()
        known = registry.known().get(runtime)
        if known is None or {"numpy", known.module} <= met.modules:
            return None
        if runtime in self._environments:
            return self._environments[runtime]
        name, files = fetch(runtime, met.python, self.name)
        place = met.root / "envs" / name
        there = self._shell(f"test -d {_q(place)}", timeout_s=_SHORT_S, check=False)
        if there.status:
            partial = met.root / "envs" / f".{uuid.uuid4().hex[:8]}.part"
            self._send(partial, {str(partial / f.name): f for f in files}, {})
            self._shell(
                f"cd {_q(met.agent.parent)} && PYTHONSAFEPATH=1 "
                f"{_q(self.python)} -c {_q(_UNPACK)} {_q(partial)} && "
                f"{{ mv {_q(partial)} {_q(place)} 2>/dev/null || test -d {_q(place)}; }} "
                f"|| {{ rm -rf {_q(partial)}; exit 1; }}",
                timeout_s=_TRANSFER_S,
            )
        self._environments[runtime] = place
        return place

    def _translate(
        self, job: Mapping[str, Any], met: _Met, folder: PurePosixPath
    ) -> tuple[dict[str, Any], dict[str, Path]]:
        """The job with the device's paths, and which files have to go there for it.

        A model is kept for the session under its content's name, its companions beside it.
        """
        there, files = dict(job), {}
        path = job.get("path")
        together = [path, *job.get("companions", ())] if path else []
        if path:
            content = hashlib.sha256(
                "".join(digest(Path(p)) for p in together).encode()
            )
            place = met.session / "files" / content.hexdigest()[:16]
            for each in together:
                files[str(place / Path(each).name)] = Path(each)
            there["path"] = str(place / Path(path).name)
            there["companions"] = [str(place / Path(p).name) for p in together[1:]]
        for key in PATHS_IN:
            if key in ("path", "companions") or not job.get(key):
                continue
            multiple = isinstance(job[key], (list, tuple))
            moved = []
            for number, each in enumerate(job[key] if multiple else [job[key]]):
                target = str(folder / f"{key}-{number}{Path(each).suffix}")
                files[target] = Path(each)
                moved.append(target)
            there[key] = moved if multiple else moved[0]
        for key in PATHS_OUT:
            if job.get(key):
                there[key] = str(folder / Path(job[key]).name)
        return there, {
            name: file for name, file in files.items() if name not in self._sent
        }

    def _send(
        self,
        base: PurePosixPath,
        files: Mapping[str, Path],
        texts: Mapping[str, bytes],
    ) -> None:
        """Put files and texts at their absolute paths, all inside of `base`, all or none.

        What an interrupted transfer leaves is never opened: it counts as not sent.
        """
        with scratch.folder() as made:
            archive = made / "files.tar"
            with tarfile.open(archive, "w") as tar:
                for name, file in files.items():
                    tar.add(file.resolve(), arcname=_inside(name, base))
                for number, (name, content) in enumerate(texts.items()):
                    text = made / f"text-{number}"
                    text.write_bytes(content)
                    tar.add(text, arcname=_inside(name, base))
            try:
                self._shell(
                    f"mkdir -p {_q(base)} && cd {_q(base)} && tar xof - "
                    f"|| {{ rm -rf {_q(base)}; exit 1; }}",
                    timeout_s=_SHORT_S + archive.stat().st_size / _SLOWEST_BYTES_PER_S,
                    source=archive,
                )
            except DeviceError:
                self._sent.clear()
                raise
        self._sent.update(files)

    def _put(self, file: Path, place: PurePosixPath) -> None:
        self._shell(
            f"cat >{_q(place)}.part && mv {_q(place)}.part {_q(place)} "
            f"|| {{ rm -f {_q(place)}.part; exit 1; }}",
            timeout_s=_TRANSFER_S,
            source=file,
        )

    def _fetch(self, job: Mapping[str, Any], there: Mapping[str, Any]) -> None:
        for key in PATHS_OUT:
            if job.get(key):
                reply = self._shell(f"cat {_q(there[key])}", timeout_s=_TRANSFER_S)
                scratch.write(Path(job[key]), reply.output)

    def _shell(
        self,
        script: str,
        *,
        timeout_s: float,
        source: Path | None = None,
        check: bool = True,
    ) -> Reply:
        reply = self.link.shell(script, timeout_s=timeout_s, source=source)
        if reply.status is None:
            raise self.link.explain(reply) or faults.frozen(self.name, timeout_s)
        self._raise_fault(reply, of_shell=check)
        if check and reply.status:
            said = reply.said.strip()[-300:] or f"exit status {reply.status}"
            raise DeviceError(f"{self.name}: a command failed there ({said}).")
        return reply

    def _raise_fault(self, reply: Reply, *, of_shell: bool = True) -> None:
        """The fault of the way there, or of the shell there, as its error."""
        error = self.link.explain(reply)
        if error is None and of_shell and reply.status:
            error = faults.of_shell(reply.said, self.name)
        if error:
            if isinstance(error, LinkLost):
                self._met = None  # the next job starts again
                self._sent.clear()
            raise error


def _python(facts: Mapping[str, Any]) -> DevicePython:
    libc = str(facts["libc"]).rpartition(" ")[2].split(".")
    return DevicePython(
        version=(facts["version"][0], facts["version"][1]),
        arch=facts["arch"],
        glibc=(int(libc[0]), int(libc[1])) if len(libc) == 2 else None,
    )


def _inside(path: str, base: PurePosixPath) -> str:
    return str(PurePosixPath(path).relative_to(base))


def _q(text: object) -> str:
    return shlex.quote(str(text))
