"""Where connections wait until the head of their first request is there.

A peer that only connects, or sends a byte now and then, holds a place here and no thread. A
slow peer never keeps others out: a full room drops the one that has waited longest.
"""

from __future__ import annotations

import contextlib
import queue
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from .places import Limits
from .wire import HEAD_BYTES

_PIECE = 1 << 16
_ENDS = (b"\r\n\r\n", b"\n\n", b"\n\r\n")
_BUSY_S = 0.5


class Guest(NamedTuple):
    """A connection, who it is from, and what it has sent of its first request."""

    link: socket.socket
    peer: str
    since: float
    sent: bytearray

    @property
    def whole(self) -> bool:
        """Return whether the head of the first request is complete, or too long to be."""
        return len(self.sent) >= HEAD_BYTES or any(end in self.sent for end in _ENDS)


class Door:
    """Calls `admit` with a guest whose head is there, and `refuse` with one that has to go.

    `full` returns whether a guest whose head came now would find no place.
    """

    def __init__(
        self,
        limits: Limits,
        admit: Callable[[Guest], None],
        refuse: Callable[[Guest, int], None],
        full: Callable[[], bool],
    ) -> None:
        self._limits = limits
        self._admit, self._refuse, self._full = admit, refuse, full
        self._new: queue.SimpleQueue[Guest | None] = queue.SimpleQueue()
        self._bell, self._ring = socket.socketpair()
        self._bell.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._guests: dict[int, Guest] = {}
        threading.Thread(target=self._keep, name="door", daemon=True).start()

    def arrive(self, link: socket.socket, peer: str) -> None:
        """Add a connection of `peer`."""
        link.setblocking(False)
        self._new.put(Guest(link, peer, time.monotonic(), bytearray()))
        self._ring.send(b".")

    def close(self) -> None:
        """Close all connections and end the thread."""
        self._new.put(None)
        self._ring.send(b".")

    def _keep(self) -> None:
        while True:
            for key, _ in self._selector.select(0.2 if self._guests else None):
                guest: Guest | None = key.data
                if guest is None:
                    self._bell.recv(1)
                    arrived = self._new.get()
                    if arrived is None:
                        return
                    self._seat(arrived)
                elif self._guests.get(key.fd) is guest:  # not sent away meanwhile
                    self._read(guest)
            self._expire()

    def _seat(self, guest: Guest) -> None:
        waiting = [g for g in self._guests.values() if g.peer == guest.peer]
        if len(waiting) >= self._limits.waiting // 2:
            self._go(waiting[0], 408)
        elif len(self._guests) >= self._limits.waiting:
            self._go(next(iter(self._guests.values())), 408)
        self._guests[guest.link.fileno()] = guest
        self._selector.register(guest.link, selectors.EVENT_READ, guest)
        self._read(guest)  # most have sent their request with the connection

    def _read(self, guest: Guest) -> None:
        try:
            piece = guest.link.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        guest.sent.extend(piece)
        if not piece and not guest.sent:
            self._leave(guest)
            guest.link.close()
        elif not piece or guest.whole:
            self._leave(guest)
            self._admit(guest)

    def _expire(self) -> None:
        now = time.monotonic()
        busy = self._full()
        for guest in list(self._guests.values()):
            waited = now - guest.since
            if waited > self._limits.seconds:
                self._go(guest, 408)
            elif busy and waited > _BUSY_S and not guest.sent:
                self._go(guest, 503)

    def _go(self, guest: Guest, status: int) -> None:
        self._leave(guest)
        self._refuse(guest, status)

    def _leave(self, guest: Guest) -> None:
        self._selector.unregister(guest.link)
        del self._guests[guest.link.fileno()]


def say(link: socket.socket, answer: bytes) -> None:
    """Tell a peer something short, never waiting for it, and hang up."""
    with contextlib.suppress(OSError):
        link.setblocking(False)
        link.send(answer)
        link.shutdown(socket.SHUT_RDWR)
    link.close()
