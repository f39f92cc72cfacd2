"""Facts of the machine this process runs on, and whether it is the real one."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from .schema import Machine

ISA = (
    "sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_vnni",
    "avx512_bf16", "avx_vnni", "amx_int8", "amx_bf16",
    "neon", "asimd", "fphp", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "vfpv4",
)  # fmt: skip
_ELF_MACHINES = {3: "x86", 62: "x86", 40: "arm", 183: "arm", 243: "riscv"}
DECLARED = "EDGEKIT_EMULATED"
"""The launcher of an agent under an emulator sets this to 1 in its environment."""


def facts(root: str = "/") -> Machine:
    """Facts of the machine; `root` is the folder that holds its /proc, /sys and /etc."""
    top = Path(root)
    cpu = _cpuinfo(top)
    emulated, evidence = emulation(root)
    return {
        "arch": platform.machine(),
        "cpu": _cpu_name(cpu, top),
        "cpu_revision": _revision(cpu),
        "isa": _isa(cpu),
        "cores": _cores(),
        "memory_mb": _memory_mb(top),
        "os": _os(top),
        "python": platform.python_version(),
        "governor": _text(top / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "emulated": emulated,
        "emulation_evidence": evidence,
    }


def fingerprint(machine: Machine) -> str:
    """One line that changes when the figures measured there no longer hold."""
    cpu = machine["cpu"] or "unknown processor"
    revision = f" ({machine['cpu_revision']})" if machine["cpu_revision"] else ""
    isa = "+".join(machine["isa"])
    return (
        f"{cpu}{revision} x{machine['cores']}; {machine['arch']} {isa}; {machine['os']}"
    )


def emulation(root: str = "/", arch: str | None = None) -> tuple[bool | None, str]:
    """Return whether another processor's instructions are translated here, and how that is known.

    `uname -m` lies under `qemu-user`, so three sources that it does not reach are read: the
    launcher's variable, the program that really runs this thread, and the kernel's list of
    processors.
    """
    top = Path(root)
    family = _family(arch or platform.machine())
    if os.environ.get(DECLARED, "0") not in ("", "0"):
        return True, f"declared by {DECLARED}"
    if not (top / "proc/cpuinfo").is_file():
        return None, "there is no /proc/cpuinfo to read"
    program = _elf_family(top / "proc/thread-self/exe")
    if program and program != family:
        return True, f"an {program} program runs this {family} process"
    cpu = _cpuinfo(top)
    listed = _cpuinfo_family(cpu)
    if listed and listed != family:
        return (
            True,
            f"/proc/cpuinfo lists {listed} processors for this {family} process",
        )
    name = " ".join([cpu.get("model name", ""), cpu.get("vendor_id", "")])
    if re.search(r"QEMU TCG|VirtualApple|QEMU Virtual CPU", name):
        return True, f"/proc/cpuinfo names {name.strip()!r}"
    if program is None and listed is None:
        return (
            None,
            "neither the running program nor /proc/cpuinfo names an architecture",
        )
    return False, "the running program and /proc/cpuinfo agree with the architecture"


def peak_memory_mb() -> tuple[float | None, str]:
    """The most memory this process ever had resident, and how it was read.

    VmHWM starts again with the program; `getrusage` would report the memory of the parent
    process from before it became this one.
    """
    value = _status_mb("VmHWM")
    if value is not None:
        return value, "VmHWM of the agent process, Python and numpy included"
    return None, "no /proc/self/status to read VmHWM from"


def resident_mb() -> float | None:
    """Resident memory of this process now, in MiB; None where the kernel does not report it."""
    return _status_mb("VmRSS")


def _status_mb(key: str) -> float | None:
    text = _text(Path("/proc/self/status")) or ""
    found = re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) / 1024 if found else None


def _cpuinfo(top: Path) -> dict[str, str]:
    """The first processor of /proc/cpuinfo, and the lines that belong to no processor."""
    facts: dict[str, str] = {}
    for line in (_text(top / "proc/cpuinfo") or "").splitlines():
        key, colon, value = line.partition(":")
        if colon:
            facts.setdefault(key.strip(), value.strip())
    return facts


def _cpu_name(cpu: dict[str, str], top: Path) -> str | None:
    name = cpu.get("model name") or cpu.get("Hardware")
    board = cpu.get("Model") or _text(top / "proc/device-tree/model")
    named = [part.strip("\0 ") for part in (board, name) if part]
    return ", ".join(named) or platform.processor() or None


def _revision(cpu: dict[str, str]) -> str | None:
    for keys in (
        ("cpu family", "model", "stepping"),
        ("CPU implementer", "CPU part", "CPU revision"),
    ):
        if all(key in cpu for key in keys):
            return "/".join(cpu[key] for key in keys)
    return None


def _isa(cpu: dict[str, str]) -> list[str]:
    flags = set((cpu.get("flags") or cpu.get("Features") or "").split())
    return [name for name in ISA if name in flags]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_mb(top: Path) -> float | None:
    found = re.search(r"MemTotal:\s+(\d+) kB", _text(top / "proc/meminfo") or "")
    return int(found.group(1)) / 1024 if found else None


def _os(top: Path) -> str:
    release = _text(top / "etc/os-release") or ""
    found = dict(re.findall(r'^(ID|VERSION_ID)="?([^"\n]*)"?$', release, re.MULTILINE))
    name = " ".join(found[key] for key in ("ID", "VERSION_ID") if key in found)
    return f"{platform.system()} {name}".strip()


def _family(arch: str) -> str:
    if arch in ("x86_64", "AMD64", "i386", "i686"):
        return "x86"
    if arch.startswith(("arm", "aarch")):
        return "arm"
    return "riscv" if arch.startswith("riscv") else arch


def _cpuinfo_family(cpu: dict[str, str]) -> str | None:
    if "CPU implementer" in cpu:
        return "arm"
    return "x86" if "vendor_id" in cpu and "flags" in cpu else None


def _elf_family(program: Path) -> str | None:
    try:
        with program.open("rb") as file:
            head = file.read(20)
    except OSError:
        return None
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return None
    pair = head[18:20] if head[5] == 1 else head[19:17:-1]
    return _ELF_MACHINES.get(int.from_bytes(pair, "little"))


def _text(file: Path) -> str | None:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return None
