"""A connection to a cluster of Ray, or a cluster of this machine alone while the block lasts.

Ray prints what it has to report (dead machines with their logs, lost workers) from threads of its
own on standard output; here that goes to EdgeKit's log. It is started without usage statistics.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from edgekit import child, scratch
from edgekit.errors import RuntimeMissing, UsageError

_LOG = logging.getLogger("edgekit.fleet")
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SCHEDULER_EVENTS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Of Ray's environment: nothing is sent anywhere, and nothing is announced."""
_OBJECTS_BYTES = 100 * 2**20
"""Memory of a cluster of this machine for objects, which here are records of some kilobytes."""


_CONNECT_S = 10.0
_LEAVE_S = 30.0
"""Ray may wait for ever for what a lost machine had."""


def ray() -> Any:
    """The library; raises `RuntimeMissing` where it is not installed."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        import ray as found
    except ModuleNotFoundError as error:
        raise RuntimeMissing(
            "ray is not installed. Install it: pip install 'edgekit[fleet]'"
        ) from error
    return found


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Ray, connected to the cluster at `address`, or without one to one of this machine.

    A connection that the caller's own code has made is used and left open. Raises `UsageError`
    where there is no such cluster, `RuntimeMissing` without Ray.
    """
    found = ray()
    if found.is_initialized():
        with _quiet():
            yield found
        return
    with _quiet(), scratch.folder() as empty:
        # The current folder would be searched for modules by every worker.
        before = _handler()
        try:
            with contextlib.chdir(empty), child.inherited():
                _connect(found, address)
        finally:
            if before is not None:
                signal.signal(signal.SIGTERM, before)
        try:
            yield found
        finally:
            _leave(found)


def _connect(found: Any, address: str | None) -> None:
    _reach(address)
    own = {"include_dashboard": False, "object_store_memory": _OBJECTS_BYTES}
    try:
        found.init(
            address=address or "local",
            logging_level=logging.CRITICAL,
            log_to_driver=False,
            **({} if address else own),
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreachable(address, error) from error


def _reach(address: str | None) -> None:
    """Raise `UsageError` where nothing listens at an address: Ray would wait for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        try:
            with socket.create_connection((host, int(port)), timeout=_CONNECT_S):
                pass
        except (OSError, OverflowError) as error:
            raise _unreachable(address, error) from error


def _unreachable(address: str | None, error: Exception) -> UsageError:
    reason = " ".join(str(error).split())[:200]
    place = f"at {address}" if address else "on this machine"
    return UsageError(
        f"Ray has no cluster {place} ({reason}). Start one: ray start --head; other machines "
        "join it: ray start --address HOST:6379"
    )


def _leave(found: Any) -> None:
    """Shut Ray down; after a limit in time it is left to the end of this process."""
    # Output that its threads have held back is printed there, as by one of them.
    leaving = threading.Thread(target=found.shutdown, name="ray_shutdown", daemon=True)
    leaving.start()
    leaving.join(_LEAVE_S)
    if leaving.is_alive():
        _LOG.warning("Ray did not shut down within %g s.", _LEAVE_S)
        atexit.unregister(found.shutdown)  # it would wait for the first one


def _handler() -> Any:
    """The handler of SIGTERM, which Ray replaces; `None` in threads, where it cannot."""
    main = threading.current_thread() is threading.main_thread()
    return signal.getsignal(signal.SIGTERM) if main else None


class _Divided:
    """Standard output of all threads but Ray's, which write to the log."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text where it belongs."""
        if not threading.current_thread().name.startswith("ray_"):
            return self._stream.write(text)
        if text.strip():
            _LOG.debug("%s", text.strip())
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _quiet() -> Iterator[None]:
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_Divided(each) for each in streams)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
