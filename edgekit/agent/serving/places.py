"""Limits of connections served at once, in all and of a peer, and the choice of those to
end."""

from __future__ import annotations

import collections
import contextlib
import socket
import threading
import time
from typing import NamedTuple

KEPT_S = 5.0
"""A connection kept open between requests for so long gives way to one with a request."""
SLOW_S = 2.0
"""So does one whose body has not come for so long."""
_LEAVING_S = 1.0
TEXT_BYTES = 64 * 2**10
"""The most bytes of a text from outside: what is over the model's length is cut, but all of it is
read before."""


class Limits(NamedTuple):
    """Limits of a server: bytes, connections and seconds."""

    body_bytes: int = 4 * 2**20
    connections: int = 64
    seconds: float = 15.0
    """The whole time for a request to come, and again for its answer to be taken."""
    text_bytes: int = TEXT_BYTES
    """Of each text, before it becomes tokens."""

    @property
    def of_a_peer(self) -> int:
        """Connections of one address: a quarter is left to the others."""
        return self.connections - self.connections // 4

    @property
    def waiting(self) -> int:
        """Number of connections that may wait for their first request."""
        return 2 * self.connections


class Places:
    """Counts connections by peer; every method may be called from any thread."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._changed = threading.Condition()
        self._taken: collections.Counter[str] = collections.Counter()
        self._waiting: dict[socket.socket, tuple[float, str]] = {}

    @property
    def full(self) -> bool:
        """Return whether every place is taken."""
        with self._changed:
            return self._all() >= self._limits.connections

    def take(self, peer: str, push: bool) -> bool:
        """Return whether there is a place for `peer`; with `push`, if need be that of one who
        waits."""
        with self._changed:
            if not self._free(peer) and not (push and self._end_one(peer)):
                return False
            if not self._changed.wait_for(lambda: self._free(peer), _LEAVING_S):
                return False
            self._taken[peer] += 1
            return True

    def leave(self, link: socket.socket, peer: str) -> None:
        """Free the place of a connection of `peer`."""
        with self._changed:
            self._waiting.pop(link, None)
            self._taken[peer] -= 1
            if not self._taken[peer]:
                del self._taken[peer]
            self._changed.notify_all()

    def waits(self, link: socket.socket, peer: str, patience_s: float) -> None:
        """The connection waits for its peer; it can be ended after `patience_s` of that."""
        with self._changed:
            self._waiting[link] = (time.monotonic() + patience_s, peer)

    def works(self, link: socket.socket) -> None:
        """Mark the connection as busy: it is not ended until it waits again."""
        with self._changed:
            self._waiting.pop(link, None)

    def _all(self) -> int:
        return sum(self._taken.values())

    def _free(self, peer: str) -> bool:
        of_peer = self._taken.get(peer, 0)
        limits = self._limits
        return self._all() < limits.connections and of_peer < limits.of_a_peer

    def _end_one(self, peer: str) -> bool:
        """End the connection that is over its time for longest: the peer's own, or anyone's."""
        own = self._taken.get(peer, 0) >= self._limits.of_a_peer
        now = time.monotonic()
        late = [
            (until, link)
            for link, (until, whose) in self._waiting.items()
            if until < now and (whose == peer or not own)
        ]
        if not late:
            return False
        _, link = min(late, key=lambda one: one[0])
        del self._waiting[link]
        with contextlib.suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)
        return True
