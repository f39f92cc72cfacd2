"""Watch over the processes that train together, by a connection from each to the first.

A killed process closes its connections, and whoever waits for it gets an error at once. One whose
machine lost its power or its network closes nothing: the others would wait for it for hours.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from edgekit.distill.network import own_address, worker_lost
from edgekit.distill.processes import Processes
from edgekit.errors import UsageError, WorkerLost

TIMEOUT = "EDGEKIT_HEARTBEAT_TIMEOUT"
"""Environment variable: seconds without a sign of life after which a process counts as lost."""
_TIMEOUT_S = 120.0
_BEAT, _FAREWELL = b".", b"!"
_BEATS = 4
"""In the time after which a process counts as lost, at least."""
_GRACE_S = 10.0
"""For an error of this process itself, which has more in it than that another has gone."""


class Heartbeat:
    """The connections of this process, each watched by a thread until `end`.

    `lost(error)` is called from such a thread where another process was lost and this one has
    not ended by itself some seconds later; its main thread may wait for ever. Raises `WorkerLost`
    where the others cannot be reached, `UsageError` for a timeout that is none.
    """

    def __init__(
        self, processes: Processes, lost: Callable[[WorkerLost], None]
    ) -> None:
        self._timeout_s, self._lost = _timeout_s(), lost
        self._over = threading.Event()
        try:
            self._links = self._connected(processes)
        except OSError as error:
            raise worker_lost(str(error)) from error
        for link in self._links:
            link.settimeout(self._timeout_s)
            threading.Thread(target=self._watch, args=(link,), daemon=True).start()

    def end(self, *, on_purpose: bool) -> None:
        """Watch no more. Where this process ends on purpose, the others are not to miss it."""
        self._over.set()
        for link in self._links if on_purpose else ():
            with suppress(OSError):
                link.sendall(_FAREWELL)

    def _connected(self, processes: Processes) -> list[socket.socket]:
        if not processes.first:
            host, port, token = processes.tell(None)
            link = socket.create_connection((host, port), timeout=self._timeout_s)
            link.sendall(token)
            return [link]
        token = secrets.token_bytes(16)
        links: list[socket.socket] = []
        host = own_address()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, 0), family=family) as server:
            server.settimeout(self._timeout_s)
            processes.tell((host, server.getsockname()[1], token))
            while len(links) < processes.count - 1:
                link, _ = server.accept()
                link.settimeout(self._timeout_s)
                if secrets.compare_digest(_first(link, len(token)), token):
                    links.append(link)
                else:
                    link.close()  # somebody else's
        return links

    def _watch(self, link: socket.socket) -> None:
        reason = ""
        while not reason and not self._over.is_set():
            try:
                link.sendall(_BEAT)
                heard = link.recv(4096)
            except TimeoutError:
                reason = f"no sign of life for {self._timeout_s:g} s"
            except OSError as error:
                reason = error.strerror or str(error)
            else:
                if _FAREWELL in heard:
                    return
                reason = "" if heard else "its connection was closed"
            time.sleep(min(1.0, self._timeout_s / _BEATS))
        if reason and not self._over.wait(_GRACE_S):
            self._lost(worker_lost(reason))


def _first(link: socket.socket, size: int) -> bytes:
    """The first bytes of a connection; fewer where it ends before."""
    found = b""
    while len(found) < size and (more := link.recv(size - len(found))):
        found += more
    return found


def _timeout_s() -> float:
    text = os.environ.get(TIMEOUT, "")
    try:
        seconds = float(text or _TIMEOUT_S)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"{TIMEOUT} = {text!r} is not a number of seconds.")
    return seconds
