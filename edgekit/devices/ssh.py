"""`ssh://user@host[:port]`: OpenSSH by subprocess.

The user's own configuration, agent, keys and jump hosts are honored; EDGEKIT_SSH_CONFIG names
another configuration file. Host keys must be known beforehand. One connection is opened and
reused for every command of a session.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgekit import scratch
from edgekit.devices import faults
from edgekit.devices.link import Reply, pipe
from edgekit.errors import AgentKilled, EdgeKitError, LinkLost

CONFIG = "EDGEKIT_SSH_CONFIG"
_CONNECT_S = 10
_OPTIONS = (
    "BatchMode=yes",  # never wait for a password nobody can type
    "StrictHostKeyChecking=yes",
    f"ConnectTimeout={_CONNECT_S}",
    "ServerAliveInterval=2",
    "ServerAliveCountMax=3",
    "ClearAllForwardings=yes",
    "LogLevel=INFO",  # a server that does not respond is reported at this level
)
_CLOSED = 255
"""ssh's own status for whatever went wrong on the way."""


@dataclass(kw_only=True)
class SshLink:
    """`host` is a name of the ssh configuration or of the network; user and port are optional."""

    name: str
    host: str
    user: str | None = None
    port: int | None = None
    _folder: Path | None = field(default=None, init=False, repr=False)
    _made: contextlib.ExitStack = field(
        default_factory=contextlib.ExitStack, init=False, repr=False
    )
    _master: subprocess.Popen[bytes] | None = field(
        default=None, init=False, repr=False
    )

    def shell(
        self,
        script: str,
        *,
        timeout_s: float,
        source: Path | None = None,
        beating: bool = False,
    ) -> Reply:
        """Run a script there; see `Link.shell`."""
        self._connect()
        # `; exit $?`: a command that a signal ended would look like a connection that did.
        remote = f"exec sh -c {shlex.quote(f'{script}; exit $?')}"
        command = [
            *self._ssh(),
            "-o",
            "ControlMaster=no",
            "-T",
            "--",
            *self._to(remote),
        ]
        return pipe(command, timeout_s=timeout_s, source=source, beating=beating)

    def explain(self, reply: Reply) -> EdgeKitError | None:
        """The fault of the connection behind a reply; None where it worked."""
        if reply.status not in (_CLOSED, None):
            return None
        said = f"{reply.said}\n{self._log()}"
        found = faults.find(said, self.name, faults.SSH)
        if found or reply.status is None:
            return found
        if not said.strip() and self._stands():
            return AgentKilled(
                f"{self.name}: the command was killed there, its shell included, while the "
                "connection stood."
            )
        why = said.strip().splitlines()
        return LinkLost(
            f"{self.name}: the connection ended ({why[-1] if why else 'ssh said nothing'}). "
            "Start the command again: what was finished is kept."
        )

    def close(self) -> None:
        """End the connection and remove its traces."""
        if self._master:
            if self._master.stdin:
                self._master.stdin.close()  # the wrapper ends the connection then
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._master.wait(timeout=5)
            self._master.kill()
            self._master.wait()
            self._master = None
        self._made.close()
        self._folder = None

    def _connect(self) -> None:
        """One connection for all commands; each of them opens its own where it has gone."""
        if self._master and self._master.poll() is None:
            return
        self.close()
        place = scratch.folder(scratch.SOCKETS, of="ssh", private=True)
        self._folder = self._made.enter_context(place)
        command = [*self._ssh(), "-M", "-N", "-T", "-E", str(self._logged)]
        # The shell in between ends the connection when our end of its input closes, however
        # we end: nothing stays connected that nobody uses.
        wrapper = (
            '"$@" & pid=$!; (cat >/dev/null; kill $pid 2>/dev/null) <&3 & cat=$!; '
        )
        wrapper += "exec 3<&-; wait $pid; kill $cat 2>/dev/null"
        self._master = subprocess.Popen(
            ["sh", "-c", f"exec 3<&0; {wrapper}", "sh", *command, "--", *self._to()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + 2 * _CONNECT_S
        while time.monotonic() < end and self._master.poll() is None:
            if self._socket.exists():
                return
            time.sleep(0.02)
        reply = Reply(status=_CLOSED, output=b"", said="")
        error = self.explain(reply) or faults.frozen(self.name, 2 * _CONNECT_S)
        self.close()
        raise error

    def _stands(self) -> bool:
        check = [*self._ssh(), "-O", "check", "--", self.host]
        return pipe(check, timeout_s=_CONNECT_S).status == 0

    def _ssh(self) -> list[str]:
        command = ["ssh"]
        if config := os.environ.get(CONFIG):
            command += ["-F", config]
        for option in _OPTIONS:
            command += ["-o", option]
        if self.user:
            command += ["-l", self.user]
        if self.port:
            command += ["-p", str(self.port)]
        return [*command, "-S", str(self._socket)]

    def _to(self, *remote: str) -> Sequence[str]:
        return (self.host, *remote)

    @property
    def _socket(self) -> Path:
        return (self._folder or Path("/nonexistent")) / "link"

    @property
    def _logged(self) -> Path:
        return (self._folder or Path("/nonexistent")) / "log"

    def _log(self) -> str:
        """Output of the shared connection."""
        if self._folder and self._logged.is_file():
            return self._logged.read_text(errors="replace")
        return ""
