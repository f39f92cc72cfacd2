"""A processor emulated by qemu-user: the real runtime of its architecture, core by core.

It proves that a model runs there and what it returns, and it counts instructions. Emulation has
no relation to time: a job that would time is refused.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from edgekit import store
from edgekit.agent import instructions, machine
from edgekit.devices import jobs, rootfs
from edgekit.devices.local import run_process
from edgekit.devices.packing import pack_agent
from edgekit.devices.results import understand
from edgekit.devices.rootfs import Arch, OnProgress, Rootfs
from edgekit.errors import DeviceError
from edgekit.scratch import folder as scratch_folder
from edgekit.store import Store
from edgekit.types import Provenance

_EMULATORS: Mapping[Arch, str] = {"aarch64": "qemu-aarch64", "armv7l": "qemu-arm"}
_PROBE_TIMEOUT_S = 300.0
_GRACE_S = 5.0
_PROCESSORS = 4
_PLUGIN_SOURCE = Path(__file__).with_name("instructions.c")

_FEATURES_64 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
_FEATURES_32 = (
    "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm"
)
_DOT_PRODUCT = "atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"


@dataclass(frozen=True, kw_only=True)
class Core:
    """A core as the emulator spells it and as the kernel's list of processors shows it."""

    arch: Arch
    part: str
    features: str
    revision: int = 0


CORES: Mapping[str, Core] = {
    "cortex-a7": Core(arch="armv7l", part="0xc07", features=_FEATURES_32, revision=5),
    "cortex-a15": Core(arch="armv7l", part="0xc0f", features=_FEATURES_32, revision=4),
    "cortex-a35": Core(arch="aarch64", part="0xd04", features=_FEATURES_64),
    "cortex-a53": Core(arch="aarch64", part="0xd03", features=_FEATURES_64, revision=4),
    "cortex-a57": Core(arch="aarch64", part="0xd07", features=_FEATURES_64),
    "cortex-a72": Core(arch="aarch64", part="0xd08", features=_FEATURES_64, revision=3),
    "cortex-a76": Core(
        arch="aarch64",
        part="0xd0b",
        features=f"{_FEATURES_64} {_DOT_PRODUCT}",
        revision=1,
    ),
    "neoverse-n1": Core(
        arch="aarch64",
        part="0xd0c",
        features=f"{_FEATURES_64} {_DOT_PRODUCT}",
        revision=1,
    ),
}


@dataclass(frozen=True, kw_only=True)
class EmulatedDevice:
    """Runs each job of the agent in a fresh emulated process of `core`.

    Needs Debian's `qemu-user`; counting needs a C compiler besides. Its programs are fetched
    once, by `prepare` or by the first job.
    """

    core: str
    kept: Store
    provenance: Provenance = "counted"

    def __post_init__(self) -> None:
        if self.core not in CORES:
            raise DeviceError(
                f"No core '{self.core}' to emulate. Known: {', '.join(CORES)}."
            )

    @property
    def name(self) -> str:
        """The address of the device."""
        return f"emulated:{self.core}"

    @property
    def arch(self) -> Arch:
        """The architecture of the core."""
        return CORES[self.core].arch

    def prepare(self, on_progress: OnProgress | None = None) -> None:
        """Fetch the architecture's programs where they are not there yet: seconds, once."""
        _emulator(self.arch)
        rootfs.rootfs(self.arch, self.kept, on_progress)

    @property
    def prepared(self) -> bool:
        """Return whether the root folder of this architecture is in the store."""
        entry = f"{self.arch}-{rootfs.name(self.arch)}"
        return self.kept.find("rootfs", entry) is not None

    @property
    def runtimes(self) -> dict[str, str]:
        """The runtimes there and their versions, known without starting anything."""
        return rootfs.runtimes(self.arch)

    def run(self, job: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        """The result of `job`; a "microbenchmark" job counts instructions and times nothing.

        Raises DeviceError, RuntimeMissing or ArtifactError.
        """
        if job["kind"] == "bench":
            raise DeviceError(
                f"{self.name} is emulated: how long a model takes there means nothing. "
                "Attach the board, or count instructions."
            )
        counting = job["kind"] == "microbenchmark"
        with scratch_folder() as scratch:
            folder = Path(scratch)
            job_file, result_file = folder / "job.json", folder / "result.json"
            complete = {"timeout_s": timeout_s + _GRACE_S, **job}
            if counting:
                complete["unit"] = "instructions"
            job_file.write_text(json.dumps(complete))
            agent = pack_agent(folder / "agent.pyz")
            counter = folder / "instructions" if counting else None
            status, said = run_process(
                [*self._command(counter), str(agent), str(job_file), str(result_file)],
                environment=self._environment(folder, counter),
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
        return (
            f"emulated {self.core}; {self.arch}; {_version(_emulator(self.arch))}; "
            f"programs {rootfs.name(self.arch)}"
        )

    def _command(self, counter: Path | None) -> list[str]:
        emulator = _emulator(self.arch)
        command = [emulator, "-L", str(self._view), "-cpu", self.core]
        if counter is not None:
            counter.write_bytes(bytes(8))
            command += ["-plugin", f"{_plugin(emulator, self.kept)},count={counter}"]
        return [*command, str(self._rootfs.python)]

    def _environment(self, folder: Path, counter: Path | None) -> dict[str, str]:
        environment = {
            **self._rootfs.environment(),
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            # A set order of Python's dictionaries: the same instructions in every run.
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONSAFEPATH": "1",
            machine.DECLARED: "1",
        }
        if counter is not None:
            environment[instructions.VARIABLE] = str(counter)
        return environment

    @cached_property
    def _rootfs(self) -> Rootfs:
        return rootfs.rootfs(self.arch, self.kept)

    @cached_property
    def _view(self) -> Path:
        return _view(self._rootfs, self.core, self.kept)


def missing(core: str) -> str | None:
    """Why instructions of `core` cannot be counted here, in words; `None` where they can."""
    if core not in CORES:
        return f"no emulator has a {core}"
    emulator = _EMULATORS[CORES[core].arch]
    if shutil.which(emulator) is None:
        return f"{emulator} is not installed (apt-get install qemu-user)"
    for program, package in (("gcc", "gcc"), ("apt-get", "apt"), ("dpkg-deb", "dpkg")):
        if shutil.which(program) is None:
            return f"{program} is not installed (apt-get install {package})"
    if "-plugin" not in _said(emulator, "-help"):
        return f"{emulator} takes no plugins (it is a static build: install qemu-user)"
    return None


def _view(programs: Rootfs, core: str, kept: Store) -> Path:
    """The userland with the core's own list of processors, which runtimes choose kernels by.

    qemu 7 would show the guest this machine's list otherwise, and LiteRT crashes on it.
    """

    def write(folder: Path) -> None:
        for entry in programs.path.iterdir():
            (folder / entry.name).symlink_to(os.path.relpath(entry, folder))
        (folder / "proc").mkdir()
        (folder / "proc/cpuinfo").write_text(cpuinfo(core))
        processors = folder / "sys/devices/system/cpu"
        processors.mkdir(parents=True)
        for name in ("possible", "present", "online"):
            (processors / name).write_text(f"0-{_PROCESSORS - 1}\n")

    listing = store.key(cpuinfo(core), _PROCESSORS)[:8]
    return kept.keep("emulated", f"{core}-{programs.name}-{listing}", write)


def cpuinfo(core: str) -> str:
    """`/proc/cpuinfo` of a machine with four of these cores."""
    known = CORES[core]
    architecture = 8 if known.arch == "aarch64" else 7
    return "\n".join(
        f"processor\t: {number}\n"
        "BogoMIPS\t: 108.00\n"
        f"Features\t: {known.features}\n"
        "CPU implementer\t: 0x41\n"
        f"CPU architecture: {architecture}\n"
        "CPU variant\t: 0x0\n"
        f"CPU part\t: {known.part}\n"
        f"CPU revision\t: {known.revision}\n"
        for number in range(_PROCESSORS)
    )


def _emulator(arch: Arch) -> str:
    emulator = shutil.which(_EMULATORS[arch])
    if emulator is None:
        raise DeviceError(
            f"Emulating an {arch} processor needs {_EMULATORS[arch]}: "
            "apt-get install qemu-user"
        )
    return emulator


def _version(emulator: str) -> str:
    found = re.search(r"version (\d+)\.(\d+)", _said(emulator, "--version"))
    return f"qemu {found.group(1)}.{found.group(2)}" if found else "qemu"


def _said(*command: str) -> str:
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=30
    ).stdout


def _plugin(emulator: str, kept: Store) -> Path:
    """The counter, compiled for this emulator where it was not yet."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise DeviceError(
            "Counting instructions needs a C compiler: apt-get install gcc"
        )
    # Version 2 of the interface came with qemu 9; each emulator refuses the other's.
    found = re.match(r"qemu (\d+)", _version(emulator))
    api = 1 if found is None or int(found.group(1)) < 9 else 2

    def write(folder: Path) -> None:
        done = subprocess.run(
            [
                *(compiler, "-O2", "-shared", "-fPIC", f"-DPLUGIN_API={api}"),
                *("-o", str(folder / "instructions.so"), str(_PLUGIN_SOURCE)),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DeviceError(
                f"{compiler} cannot compile the instruction counter: "
                f"{done.stderr.strip().splitlines()[-1:]}"
            )

    name = store.key(_PLUGIN_SOURCE.read_text(), api)[:12]
    return kept.keep("plugins", name, write) / "instructions.so"
