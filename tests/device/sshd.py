"""A throw-away sshd on this machine, run by an ordinary user, as the device of the tests."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

USER = "edgekit-device"


@dataclass(frozen=True, kw_only=True)
class Sshd:
    """A running server; `home` is the device's file system as far as EdgeKit is concerned."""

    folder: Path
    home: Path
    config: Path
    port: int
    pid: int

    def connections(self) -> list[psutil.Process]:
        """The server's processes of open connections."""
        found = psutil.Process(self.pid).children(recursive=True)
        return [one for one in found if one.name().startswith("sshd")]

    def agents(self) -> list[psutil.Process]:
        """Processes on the device whose command names a job of ours, whoever their parent is."""
        found = []
        for one in psutil.process_iter(["name", "cmdline"]):
            line = " ".join(one.info["cmdline"] or [])
            if one.info["name"] != "ssh" and "result.json" in line:
                with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    if str(self.home) in f"{line} {one.cwd()}":
                        found.append(one)
        return found

    def workers(self) -> list[psutil.Process]:
        """Those that do the job: neither `timeout`, nor a shell, nor the watchdog."""
        found = []
        for one in self.agents():
            with contextlib.suppress(psutil.NoSuchProcess):
                if (
                    one.name().startswith("python")
                    and "--watchdog" not in one.cmdline()
                ):
                    found.append(one)
        return found


def reason_without() -> str | None:
    """Why there can be no server here."""
    if not Path("/usr/sbin/sshd").exists():
        return "no sshd: apt install openssh-server"
    if shutil.which("ssh") is None:
        return "no ssh: apt install openssh-client"
    return None


@contextlib.contextmanager
def running(*, ordinary: bool = True, **settings: str) -> Iterator[Sshd]:
    """A server; each of `settings` is a variable of the device's environment.

    It runs as an ordinary user also where the tests are root's, unless `ordinary` is false.
    """
    # Neither under a test's folder, which others may not enter, nor with a long name.
    folder = Path(tempfile.mkdtemp(prefix="ek-sshd-", dir="/tmp"))
    folder.chmod(0o755)
    home = folder / "device"
    home.mkdir()
    user, prefix = _user() if ordinary else (pwd.getpwuid(os.geteuid()).pw_name, [])
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    if prefix:
        shutil.chown(home, user, user)
        shutil.chown(folder, user, user)
    port = _free_port()
    config = _write(folder, home, user, port, prefix, settings)
    server = subprocess.Popen(
        [*prefix, "/usr/sbin/sshd", "-D", "-f", str(folder / "sshd_config"), "-E",
         str(folder / "log")],
        start_new_session=True,
    )  # fmt: skip
    try:
        _await(port, server, folder)
        pid = _server_pid(server)
        yield Sshd(folder=folder, home=home, config=config, port=port, pid=pid)
    finally:
        children = psutil.Process(server.pid).children(recursive=True)
        for one in (*children, psutil.Process(server.pid)):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGCONT)
                one.kill()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> tuple[str, list[str]]:
    """User of the server, and the prefix that runs a command as that user."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name, []
    try:
        pwd.getpwnam(USER)
    except KeyError:
        subprocess.run(
            ["useradd", "--system", "--create-home", "--shell", "/bin/sh", USER],
            check=True,
        )
        # An account without a password counts as locked without PAM.
        subprocess.run(["usermod", "-p", "*", USER], check=True)
    command = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups"]
    return USER, [*command, "env", f"HOME=/home/{USER}"]


def _write(
    folder: Path,
    home: Path,
    user: str,
    port: int,
    prefix: list[str],
    settings: dict[str, str],
) -> Path:
    for name in ("host", "client"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)],
            check=True,
        )
    environment = {"EDGEKIT_CACHE": str(home / "cache"), **settings}
    given = " ".join(f'"{name}={value}"' for name, value in environment.items())
    (folder / "authorized").write_text((folder / "client.pub").read_text())
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\n"
        f"PidFile {folder}/pid\nAuthorizedKeysFile {folder}/authorized\n"
        "UsePAM no\nStrictModes no\nPasswordAuthentication no\n"
        f"KbdInteractiveAuthentication no\nMaxStartups 100\nSetEnv {given}\n"
    )
    if prefix:
        for file in ("host", "authorized", "sshd_config"):
            shutil.chown(folder / file, user, user)
    pin(folder / "known_hosts", port, folder / "host.pub")
    config = folder / "config"
    config.write_text(
        f"Host dev\n  HostName 127.0.0.1\n  Port {port}\n  User {user}\n"
        f"  IdentityFile {folder}/client\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
    )
    return config


def pin(known_hosts: Path, port: int, public: Path) -> None:
    kind, key = public.read_text().split()[:2]
    known_hosts.write_text(f"[127.0.0.1]:{port} {kind} {key}\n")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _await(port: int, server: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"sshd did not start: {(folder / 'log').read_text()[-500:]}")


def _server_pid(server: subprocess.Popen[bytes]) -> int:
    """setpriv and env make way for the server: the process is the same."""
    return server.pid
