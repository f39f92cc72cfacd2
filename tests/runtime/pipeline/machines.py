"""Two machines as network namespaces of this one, with a cable between them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

ADDRESS = "10.77.21.{}"
"""Of the two machines, from 1. It is known in their namespaces alone."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One of two machines; `number` is its rank."""

    name: str
    number: int

    def start(
        self, arguments: Sequence[str], cwd: Path, env: Mapping[str, str]
    ) -> subprocess.Popen[str]:
        """Start this machine's half of a module or script by torchrun."""
        launcher = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2"]
        launcher += ["--node-rank", str(self.number), "--nproc-per-node", "1"]
        launcher += ["--master-addr", ADDRESS.format(1), "--master-port", "29521"]
        return subprocess.Popen(
            ["ip", "netns", "exec", self.name, *launcher, *arguments],
            cwd=cwd,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def unplug(self) -> None:
        """Take the cable out: nothing arrives any more, and no connection is closed."""
        _ip("-n", self.name, "link", "set", "cable", "down")

    def kill(self) -> None:
        """Kill every process of the machine."""
        while pids := _ip("netns", "pids", self.name).split():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)


@contextmanager
def two_machines() -> Iterator[tuple[Machine, Machine]]:
    """Two machines that reach each other and nothing else; skips the test where none can be."""
    if shutil.which("ip") is None:
        pytest.skip("needs network namespaces: install iproute2 (`ip`)")
    first, second = (
        Machine(name=f"edgekit-{os.getpid()}-{number}", number=number)
        for number in range(2)
    )
    try:
        _ip("netns", "add", first.name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"needs CAP_NET_ADMIN for network namespaces: {error.stderr}")
    try:
        _ip("netns", "add", second.name)
        ends = ("netns", first.name), ("peer", "cable", "netns", second.name)
        _ip("link", "add", "cable", *ends[0], "type", "veth", *ends[1])
        for one in (first, second):
            own = f"{ADDRESS.format(one.number + 1)}/24"
            _ip("-n", one.name, "addr", "add", own, "dev", "cable")
            for link in ("lo", "cable"):
                _ip("-n", one.name, "link", "set", link, "up")
        yield first, second
    finally:
        for one in (first, second):
            with suppress(subprocess.CalledProcessError):
                one.kill()
                _ip("netns", "del", one.name)


def _ip(*arguments: str) -> str:
    done = subprocess.run(
        ["ip", *arguments], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout
