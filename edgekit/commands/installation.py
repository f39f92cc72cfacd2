"""List installed and missing components, with the command that installs each."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Sequence
from importlib import metadata

from edgekit.devices.local import LocalDevice
from edgekit.errors import EdgeKitError, OutputError, RuntimeMissing
from edgekit.package.docker import environment
from edgekit.runtimes import registry
from edgekit.store import Store
from edgekit.types import Finding

_TOOLS = {
    "ssh": "reaches a device over ssh: apt install openssh-client",
    "adb": "reaches an Android device: apt install adb",
    "qemu-aarch64-static": "runs ARM artifacts on this machine: apt install qemu-user-static",
}


def check_installation() -> list[Finding]:
    """Every check; nothing is changed."""
    return [
        _python(),
        *_exporters(),
        *_agent(),
        _cache(),
        *_tools(),
        *environment.examine(),
    ]


def obstacle(findings: Sequence[Finding]) -> EdgeKitError | None:
    """The error that every build here ends with; `None` where something can be built."""
    by_name = {one.name: one for one in findings}
    if not by_name["cache"].ok:
        cache = by_name["cache"]
        return OutputError(f"The cache cannot be written ({cache.found}). {cache.fix}.")
    formats = [by_name[one.name] for one in registry.formats() if one.name in by_name]
    if not any(one.ok for one in formats):
        known = registry.measured(one.name for one in registry.formats())
        extra = registry.get([*registry.on(platform.machine()), *known][0]).extra
        return RuntimeMissing(
            f"No runtime is installed. Install one: pip install 'edgekit[{extra}]'"
        )
    return None


def _python() -> Finding:
    version = platform.python_version()
    ok = sys.version_info >= (3, 11)
    fix = "" if ok else "Install Python 3.11 or newer"
    return Finding(name="python", ok=ok, found=version, fix=fix)


def _exporters() -> list[Finding]:
    extras = {"torch": ""}
    for runtime in registry.formats():
        for package in runtime.libraries.values():
            # The agent has a line for each runtime that runs.
            if package != runtime.package or runtime.export_only:
                extras.setdefault(package, runtime.extra)
    findings = []
    for name, extra in extras.items():
        try:
            version = metadata.version(name)
            findings.append(Finding(name=name, ok=True, found=version))
        except metadata.PackageNotFoundError:
            fix = f"pip install 'edgekit[{extra}]'"
            findings.append(Finding(name=name, ok=False, found="missing", fix=fix))
    return findings


def _agent() -> list[Finding]:
    """The device agent on this machine: its runtimes, its energy meters, whether it is real."""
    try:
        probe = LocalDevice().probe()
    except EdgeKitError as error:
        return [Finding(name="agent", ok=False, found=str(error))]
    findings = []
    for name, fact in probe["runtimes"].items():
        ok = fact["version"] is not None
        runtime = registry.get(name)
        fix = runtime.absent or runtime.install
        found = fact["version"] or fact["reason"]
        findings.append(Finding(name=name, ok=ok, found=found, fix="" if ok else fix))
    for name, reason in probe["meters"].items():
        findings.append(
            Finding(
                name=f"energy meter {name}", ok=not reason, found=reason or "readable"
            )
        )
    machine = probe["machine"]
    emulated = machine["emulated"]
    findings.append(
        Finding(
            name="processor",
            ok=not emulated,
            found=f"{machine['cpu']}, {machine['arch']}"
            + (f", emulated: {machine['emulation_evidence']}" if emulated else ""),
            fix="Timings under emulation are meaningless: run on the device"
            if emulated
            else "",
        )
    )
    return findings


def _cache() -> Finding:
    root = Store().root
    try:
        root.mkdir(parents=True, exist_ok=True)
        (root / ".probe").touch()
        (root / ".probe").unlink()
    except OSError as error:
        fix = "Set EDGEKIT_CACHE to a folder that can be written"
        return Finding(
            name="cache", ok=False, found=f"{root}: {error.strerror}", fix=fix
        )
    return Finding(name="cache", ok=True, found=str(root))


def _tools() -> list[Finding]:
    findings = []
    for tool, purpose in _TOOLS.items():
        place = shutil.which(tool)
        findings.append(
            Finding(
                name=tool,
                ok=bool(place),
                found=place or "missing",
                fix="" if place else purpose,
            )
        )
    return findings
