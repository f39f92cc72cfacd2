"""A connection's two ends with a total time for each request and each answer.

A time-out of every read alone lets a peer hold a connection for hours with a byte now and then.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

HEAD_BYTES = 32 * 2**10
"""The most that a request may hold before its body."""


class Reading(io.RawIOBase):
    """Bytes that a peer sends, `first` before those still to come.

    Raises `socket.timeout` after `seconds` without a request, or as long after its first byte, and
    `LineTooLong` where the head of a request has no end.
    """

    def __init__(self, link: socket.socket, seconds: float, first: bytes = b"") -> None:
        self._link = link
        self._seconds = seconds
        self._first = memoryview(first)
        self.next_request()

    def next_request(self) -> None:
        """The time and the head's limit start again."""
        self._end: float | None = None
        self._left: float = HEAD_BYTES

    def body_begins(self) -> None:
        """From here on the reader has the number of bytes to come."""
        self._left = float("inf")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` with bytes of the peer; raises for a head above the limit."""
        if self._left <= 0:
            raise http.client.LineTooLong("header")
        count = self._taken(buffer)
        self._left -= count
        if self._end is None:
            self._end = time.monotonic() + self._seconds
        return count

    def _taken(self, buffer: Any) -> int:
        count = min(len(buffer), len(self._first))
        if count:
            buffer[:count] = self._first[:count]
            self._first = self._first[count:]
            return count
        left = (
            self._seconds if self._end is None else max(0, self._end - time.monotonic())
        )
        if not left:
            raise socket.timeout("timed out")
        self._link.settimeout(left)
        return self._link.recv_into(buffer)


class Writing(io.BufferedIOBase):
    """The response to a peer: collected, then sent in one piece within `seconds`."""

    def __init__(self, link: socket.socket, seconds: float) -> None:
        self._link = link
        self._seconds = seconds
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, piece: Any) -> int:
        """Collect `piece` until `flush`."""
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Send all pieces at once, within the time limit."""
        whole, self._pieces = b"".join(self._pieces), []
        if whole:
            self._link.settimeout(self._seconds)
            self._link.sendall(whole)
