"""The network between machines that train together, and errors of a lost one."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

from edgekit.errors import WorkerLost

_OF_PEERS = ("gloo", "connection closed by peer", "connection reset by peer")
"""In messages of errors that have no class of their own."""


def own_address() -> str:
    """This machine's address as the launcher's (`MASTER_ADDR`) is reached from it."""
    host = os.environ.get("MASTER_ADDR", "localhost")
    family, kind, *_, place = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as asking:
        asking.connect(place)  # nothing is sent
        return str(asking.getsockname()[0])


def use_own_interface() -> None:
    """Have gloo listen where machines reach each other.

    By itself it takes the address that the machine's name leads to, often 127.0.1.1. Nothing is
    changed on a single machine, or where `GLOO_SOCKET_IFNAME` is set.
    """
    here, all_of_them = (
        os.environ.get(name, "1") for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE")
    )
    if here == all_of_them or "GLOO_SOCKET_IFNAME" in os.environ:
        return
    address = own_address()
    for name, found in psutil.net_if_addrs().items():
        if any(one.address.partition("%")[0] == address for one in found):
            os.environ["GLOO_SOCKET_IFNAME"] = name


@contextmanager
def losses_named() -> Iterator[None]:
    """Raise `WorkerLost` for torch's errors of another process that was lost."""
    try:
        yield
    except RuntimeError as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        of_torch = isinstance(error, torch.distributed.DistError)
        if not of_torch and not any(w in str(error).lower() for w in _OF_PEERS):
            raise
        raise worker_lost(lines[0][:200]) from error


def worker_lost(reason: str) -> WorkerLost:
    """The error of a process that lost another one."""
    return WorkerLost(
        f"Another process of this training was lost ({reason}). Start the same command on every "
        "machine again: a build goes on from its last checkpoint and keeps finished stages."
    )
