"""Missing parts between this machine and images for devices, and the command that installs
each."""

from __future__ import annotations

import configparser
import os
import stat
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekit.package.docker.engine import CLIENT, Client, answers, clients
from edgekit.scratch import folder as scratch_folder
from edgekit.types import Finding

_BINFMT = Path("proc/sys/fs/binfmt_misc")
_EMULATORS = {"aarch64": "linux/arm64", "arm": "linux/arm/v7"}
_REGISTERED = "/proc/sys/fs/binfmt_misc"
_CA_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_LOCAL_CAS = Path("usr/local/share/ca-certificates")
_SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"

# An aarch64 program of 110 bytes that copies /proc/cpuinfo to its output:
# openat, then read and write until the end, then exit.
_PROBE = bytes.fromhex(
    "600c8092e1020010020080d2030080d2080780d2010000d4f30300aaff0740d1e00313aae1030091020082d2"
    "e80780d2010000d41f0000f1ed000054e20300aa200080d2e1030091080880d2010000d4f4ffff17000080d2"
    "a80b80d2010000d42f70726f632f637075696e666f00"
)
_LOAD_AT = 0x400000


def examine() -> list[Finding]:
    """Every check of Docker and of emulation; nothing is changed."""
    known = clients()
    return [
        _engine(known),
        _buildkit(known),
        *(emulator(name) for name in _EMULATORS),
        _cpuinfo(guest_cpuinfo()),
        _certificates(os.environ),
    ]


def _engine(known: Sequence[Client]) -> Finding:
    name = "docker engine"
    if not known:
        fix = "apt install docker.io"
        return Finding(name=name, ok=False, found="no docker command", fix=fix)
    reason = answers(known[0])
    if reason is not None:
        fix = "systemctl start docker (without systemd, as root: dockerd)"
        return Finding(name=name, ok=False, found=reason, fix=fix)
    return Finding(name=name, ok=True, found=f"answers {known[0].path}")


def _buildkit(known: Sequence[Client]) -> Finding:
    able = [client for client in known if client.buildkit]
    if able:
        note = f"{able[0].path} {able[0].version}"
        if able[0] is not known[0]:
            note += f" ({known[0].path} {known[0].version} has none)"
        return Finding(name="BuildKit", ok=True, found=note)
    if not known:
        fix = "apt install docker.io"
        return Finding(name="BuildKit", ok=False, found="no docker command", fix=fix)
    return Finding(
        name="BuildKit",
        ok=False,
        found=f"{known[0].path} {known[0].version} has no plugin buildx",
        fix=f"apt install docker-buildx-plugin, or name another docker in {CLIENT}",
    )


def emulator(name: str, root: Path = Path("/")) -> Finding:
    """Return whether this kernel hands programs of another processor to QEMU, in containers too."""
    platform = _EMULATORS[name]
    registered = root / _BINFMT / f"qemu-{name}"
    try:
        text = registered.read_text()
    except OSError:
        return Finding(
            name=f"runs {platform}",
            ok=False,
            found=f"no emulator is registered as qemu-{name}",
            fix="apt install qemu-user-static && systemctl restart systemd-binfmt",
        )
    flags = next((x[6:] for x in text.splitlines() if x.startswith("flags:")), "")
    if "F" not in flags:
        again = f"grep ^: /usr/lib/binfmt.d/qemu-{name}.conf > {_REGISTERED}/register"
        return Finding(
            name=f"runs {platform}",
            ok=False,
            found=f"qemu-{name} lacks the flag F: containers do not see the emulator",
            fix=f"as root: echo -1 > {_REGISTERED}/qemu-{name}; {again}",
        )
    return Finding(name=f"runs {platform}", ok=True, found=f"flags {flags.strip()}")


def guest_cpuinfo() -> str | None:
    """Content of /proc/cpuinfo for an emulated aarch64 process; None where none can run."""
    with scratch_folder() as name:
        program = Path(name) / "probe"
        program.write_bytes(_elf(_PROBE))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        try:
            done = subprocess.run(
                [str(program)], capture_output=True, timeout=30, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def _cpuinfo(listed: str | None) -> Finding:
    name = "cpuinfo in an ARM guest"
    if listed is None:
        return Finding(
            name=name,
            ok=False,
            found="unknown: no ARM program runs here",
            fix="apt install qemu-user-static",
        )
    if "CPU implementer" in listed or "Features" in listed:
        return Finding(name=name, ok=True, found="ARM processors")
    return Finding(
        name=name,
        ok=False,
        found="x86 processors: LiteRT crashes on them (QEMU before 8)",
        fix='python -c "from edgekit.devices.emulated import cpuinfo; '
        "print(cpuinfo('cortex-a72'))\" > cpuinfo; "
        "docker run -e QEMU_CPU=cortex-a72 -v $PWD/cpuinfo:/proc/cpuinfo:ro ...",
    )


def _certificates(environment: Mapping[str, str], root: Path = Path("/")) -> Finding:
    """Return whether this machine trusts certificates that a build of the builder image would
    lack."""
    name = "certificates in a build"
    own = own_certificates(environment, root)
    if own is None:
        return Finding(name=name, ok=True, found="this machine has none of its own")
    return Finding(
        name=name,
        ok=False,
        found=f"a build does not support this machine's own ({own})",
        fix=f"docker build --secret id=ca,src={own} -f docker/builder.Dockerfile .",
    )


def own_certificates(
    environment: Mapping[str, str], root: Path = Path("/")
) -> str | None:
    """The file with certificates beyond the usual ones, where there is one."""
    for variable in _CA_VARIABLES:
        if environment.get(variable):
            return environment[variable]
    for file in (root / "etc/pip.conf", root / "etc/xdg/pip/pip.conf"):
        settings = configparser.ConfigParser(interpolation=None)
        try:
            settings.read(file)
        except configparser.Error:
            continue  # pip itself refuses such a file
        if settings.get("global", "cert", fallback=None):
            return settings["global"]["cert"]
    if any((root / _LOCAL_CAS).glob("*.crt")):
        return _SYSTEM_CAS
    return None


def _elf(code: bytes) -> bytes:
    """A static aarch64 program of one segment."""
    header, entry = 64, 56
    size = header + entry + len(code)
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    start = _LOAD_AT + header + entry
    fields = (2, 183, 1, start, header, 0, 0, header, entry, 1, 64, 0, 0)
    segment = (1, 5, 0, _LOAD_AT, _LOAD_AT, size, size, 0x1000)
    return (
        struct.pack("<16sHHIQQQIHHHHHH", identity, *fields)
        + struct.pack("<IIQQQQQQ", *segment)
        + code
    )
