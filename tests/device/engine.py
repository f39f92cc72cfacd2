"""A Docker engine for the tests: the one that answers, or one of our own where we may start it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from edgekit.package.docker.engine import Client, answers, clients

_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_START_S = 90
_FALLBACKS = (
    [],
    ["--bridge=none", "--iptables=false", "--ip6tables=false"],
    ["--bridge=none", "--iptables=false", "--ip6tables=false", "--storage-driver=vfs"],
)


class Unavailable(Exception):
    """Why there is no engine here: the reason a test is skipped with."""


@contextlib.contextmanager
def engine() -> Iterator[Client]:
    """A client whose engine answers. One that was started here ends here, with all it stored."""
    able = [client for client in clients() if client.buildkit]
    if not able:
        raise Unavailable("no docker command with BuildKit: apt install docker.io")
    client = able[0]
    if answers(client) is None:
        yield client
        return
    if os.geteuid() != 0:
        raise Unavailable("no Docker engine answers, and starting one needs root")
    if not shutil.which("dockerd"):
        raise Unavailable("no Docker engine answers, and there is no dockerd to start")
    with tempfile.TemporaryDirectory(prefix="edgekit-engine-", dir="/var/tmp") as name:
        process = _start(Path(name), client)
        try:
            yield client
        finally:
            os.environ.pop("DOCKER_HOST", None)
            _stop(process)
            _unmount(Path(name))


def _start(root: Path, client: Client) -> subprocess.Popen[bytes]:
    socket = root / "docker.sock"
    _cgroups()
    for extra in _FALLBACKS:
        with (root / "log").open("ab") as log:
            process = subprocess.Popen(
                [
                    "dockerd",
                    *("--data-root", str(root / "data")),
                    *("--exec-root", str(root / "exec")),
                    *("--pidfile", str(root / "pid")),
                    *("--host", f"unix://{socket}", *extra),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        os.environ["DOCKER_HOST"] = f"unix://{socket}"
        end = time.monotonic() + _START_S
        while process.poll() is None and time.monotonic() < end:
            if socket.exists() and answers(client) is None:
                return process
            time.sleep(0.3)
        _stop(process)
    os.environ.pop("DOCKER_HOST", None)
    last = (root / "log").read_text(errors="replace").strip().splitlines()[-1:]
    raise Unavailable(f"dockerd does not start here ({' '.join(last)[-200:]})")


def _cgroups() -> None:
    """Mounts control groups on a machine that has none yet."""
    place = Path("/sys/fs/cgroup")
    if place.is_dir() and not any(place.iterdir()):
        subprocess.run(["mount", "-t", "cgroup2", "none", str(place)], check=False)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _unmount(root: Path) -> None:
    for line in reversed(Path("/proc/mounts").read_text().splitlines()):
        place = line.split()[1]
        if place.startswith(str(root)):
            subprocess.run(["umount", "--lazy", place], check=False)


@contextlib.contextmanager
def emulators(*names: str) -> Iterator[None]:
    """QEMU registered for `aarch64` and `arm`, by us where need be, and then only for a while."""
    missing = [name for name in names if not (_BINFMT / f"qemu-{name}").exists()]
    if missing and os.geteuid() != 0:
        raise Unavailable(
            f"no emulator is registered for {missing[0]}, and we are not root"
        )
    if missing and not (_BINFMT / "register").exists():
        subprocess.run(
            ["mount", "-t", "binfmt_misc", "none", str(_BINFMT)], check=False
        )
        if not (_BINFMT / "register").exists():
            raise Unavailable("this kernel has no binfmt_misc")
    for name in missing:
        (_BINFMT / "register").write_bytes(_registration(name))
    try:
        yield
    finally:
        for name in missing:
            (_BINFMT / f"qemu-{name}").write_text("-1")


def _registration(name: str) -> bytes:
    for folder in ("/usr/lib/binfmt.d", "/usr/share/qemu/binfmt.d"):
        file = Path(folder) / f"qemu-{name}.conf"
        if file.is_file():
            lines = file.read_bytes().splitlines()
            return next(line for line in lines if line.startswith(b":"))
    raise Unavailable(f"no emulator for {name}: apt install qemu-user-static")
