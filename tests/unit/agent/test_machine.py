"""Facts of a machine, from trees of files like those of real ones."""

from __future__ import annotations

import os
import platform
import struct
from pathlib import Path

import pytest

from edgekit.agent import machine

X86 = "vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t: 190\nmodel name\t: N100\n"
X86 += "stepping\t: 0\nflags\t: fpu sse4_2 avx2 avx_vnni\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd crc32 asimddp\nCPU implementer\t: 0x41\n"
ARM += "CPU part\t: 0xd0b\nCPU revision\t: 1\n\nModel\t\t: Raspberry Pi 5 Model B\n"


def tree(root: Path, cpuinfo: str, elf_machine: int) -> str:
    thread = root / "proc" / "thread-self"
    thread.mkdir(parents=True)
    (root / "proc" / "cpuinfo").write_text(cpuinfo)
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, elf_machine)
    (thread / "exe").write_bytes(head)
    return str(root)


@pytest.mark.parametrize(
    ("cpuinfo", "elf", "arch", "emulated", "words"),
    [
        (X86, 62, "x86_64", False, "agree"),
        (ARM, 183, "aarch64", False, "agree"),
        (ARM, 40, "aarch64", False, "agree"),  # 32-bit programs, 64-bit kernel
        (X86, 62, "aarch64", True, "an x86 program runs this arm process"),
        (ARM, 62, "aarch64", True, "an x86 program"),  # a faked /proc/cpuinfo
        (X86, 183, "aarch64", True, "lists x86 processors"),
        (X86.replace("N100", "QEMU TCG CPU"), 62, "x86_64", True, "QEMU TCG"),
        ("", 0, "x86_64", None, "neither"),
    ],
)
def test_emulation_is_seen_where_uname_lies(
    tmp_path: Path, cpuinfo: str, elf: int, arch: str, emulated: bool, words: str
) -> None:
    found, evidence = machine.emulation(tree(tmp_path, cpuinfo, elf), arch)
    assert found is emulated
    assert words in evidence


def test_emulation_may_be_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(machine.DECLARED, "1")
    found, evidence = machine.emulation(tree(tmp_path, ARM, 183), "aarch64")
    assert found is True
    assert machine.DECLARED in evidence


def test_without_proc_nobody_can_tell(tmp_path: Path) -> None:
    assert machine.emulation(str(tmp_path))[0] is None


def test_facts_of_a_raspberry_pi(tmp_path: Path) -> None:
    facts = machine.facts(tree(tmp_path, ARM, 183))
    assert facts["cpu"] == "Raspberry Pi 5 Model B"
    assert facts["cpu_revision"] == "0x41/0xd0b/1"
    assert facts["isa"] == ["asimd", "asimddp"]
    assert facts["memory_mb"] is None
    assert facts["governor"] is None


def test_facts_of_an_intel_board(tmp_path: Path) -> None:
    root = tree(tmp_path, X86, 62)
    (tmp_path / "proc" / "meminfo").write_text("MemTotal:  16777216 kB\n")
    governor = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    governor.parent.mkdir(parents=True)
    governor.write_text("powersave\n")
    facts = machine.facts(root)
    assert facts["cpu"] == "N100"
    assert facts["cpu_revision"] == "6/190/0"
    assert facts["isa"] == ["sse4_2", "avx2", "avx_vnni"]
    assert facts["memory_mb"] == 16384
    assert facts["governor"] == "powersave"


def test_the_fingerprint_changes_with_what_changes_timings() -> None:
    here = machine.facts()
    assert machine.fingerprint(here) == machine.fingerprint(machine.facts())
    changed = {**here, "isa": [*here["isa"], "avx_vnni_int16"]}
    assert machine.fingerprint(changed) != machine.fingerprint(here)  # type: ignore[arg-type]
    assert platform.machine() in machine.fingerprint(here)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_peak_memory_grows_with_what_is_held() -> None:
    before, how = machine.peak_memory_mb()
    held = os.urandom(64 * 2**20)
    after, _ = machine.peak_memory_mb()
    assert before is not None
    assert after is not None
    assert "VmHWM" in how
    resident = machine.resident_mb()
    assert resident is not None
    assert resident <= after
    assert after >= 64
    assert len(held) == 64 * 2**20
