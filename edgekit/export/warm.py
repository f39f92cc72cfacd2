"""Processes that keep a format's libraries imported for the length of a build.

Importing PyTorch and a converter takes seconds, and each export needs a process of its own: they
crash beside each other, and leave state behind. A warm process only imports. Each job runs in a
fork of it, which starts as any other did: with the libraries, and with nothing that an export
left. Modules that a job imported besides are imported before the next one.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from edgekit import child
from edgekit.export import worker
from edgekit.plugins import PLUGINS
from edgekit.runtimes import registry
from edgekit.types import RuntimeName

_LIMIT = 1 << 18
_MODULES = "modules.json"
_pools: list[dict[RuntimeName, WarmProcess]] = []


@contextmanager
def kept() -> Iterator[None]:
    """Keep a process for each format's libraries while the block lasts, and end them then.

    A block inside of another one uses the outer one's processes.
    """
    if _pools:
        yield
        return
    pool: dict[RuntimeName, WarmProcess] = {}
    _pools.append(pool)
    try:
        yield
    finally:
        _pools.remove(pool)
        for one in pool.values():
            one.end()


def start(
    runtime: RuntimeName, request: Path, log: Path, environment: Mapping[str, str]
) -> Fork | None:
    """A fork for the job in the file `request`; `None` where no libraries are kept.

    They are kept inside of `kept`, on Linux; elsewhere forks are not safe.
    """
    process = prepare(runtime, environment)
    if process is None or process.busy:
        return None
    return process.fork(request, log, environment)


def prepare(runtime: RuntimeName, environment: Mapping[str, str]) -> WarmProcess | None:
    """The process with a format's libraries, started where there is none; as `start` has it."""
    if not _pools or sys.platform != "linux":
        return None
    pool = _pools[-1]
    kept = pool.get(runtime)
    if kept is None or kept.ended or not kept.imports_from(environment):
        if kept is not None:
            if kept.busy:
                return None
            kept.end()
        pool[runtime] = WarmProcess(runtime, environment)
    return pool[runtime]


@dataclass(kw_only=True)
class Fork:
    """One job's process, as `subprocess.Popen` has it."""

    warm: WarmProcess
    stdout: IO[bytes]
    returncode: int = 0
    _waited: bool = field(default=False, repr=False)

    def wait(self) -> int:
        """The exit status, once the job has ended."""
        if not self._waited:
            self.returncode, self._waited = self.warm.status(), True
        return self.returncode

    def kill_all(self) -> None:
        """End the job, and the libraries' process with it."""
        self.warm.end()


class WarmProcess:
    """The process with one format's libraries."""

    def __init__(self, runtime: RuntimeName, environment: Mapping[str, str]) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.busy = False
        self._places = _places(environment)
        with theirs:
            number = theirs.fileno()
            self._process = subprocess.Popen(
                child.python("-m", __name__, runtime, str(number)),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={k: v for k, v in environment.items() if k != "TMPDIR"},
                pass_fds=(number,),
                start_new_session=True,
            )

    @property
    def ended(self) -> bool:
        """Return whether there is no process any more."""
        return self._process.poll() is not None

    def imports_from(self, environment: Mapping[str, str]) -> bool:
        """Return whether its modules are those that a process in `environment` would import."""
        return self._places == _places(environment)

    def fork(self, request: Path, log: Path, environment: Mapping[str, str]) -> Fork:
        """A process for the job in the file `request`, which prints into `log`."""
        ours, theirs = os.pipe()
        asked = {
            "request": str(request),
            "place": str(request.parent),
            "environment": dict(environment),
        }
        self.busy = True
        with log.open("wb") as stream:
            message = json.dumps(asked).encode()
            try:
                socket.send_fds(self._channel, [message], [theirs, stream.fileno()])
            except OSError:
                self.end()  # nobody answers: it has ended, or the message is too long
        os.close(theirs)
        return Fork(warm=self, stdout=os.fdopen(ours, "rb", buffering=0))

    def status(self) -> int:
        """The exit status of the fork; that of the process where it ended meanwhile."""
        try:
            answer = self._channel.recv(_LIMIT)
        except OSError:
            answer = b""
        self.busy = False
        if not answer:
            self.end()
            return self._process.returncode or -signal.SIGKILL
        return int(json.loads(answer)["status"])

    def end(self) -> None:
        """End the process, and the job that runs."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._channel.close()
        self.busy = False


def _places(environment: Mapping[str, str]) -> tuple[str | None, ...]:
    return environment.get("PYTHONPATH"), environment.get(PLUGINS)


# --- in the process itself --------------------------------------------------------------------


def serve(runtime: RuntimeName, channel: socket.socket) -> None:
    """Fork for each job that arrives, until nobody listens any more."""
    worker.end_me_first()
    _imported(["torch", *registry.get(runtime).libraries])
    with suppress(ImportError):  # a job names what is missing
        _ = registry.get(runtime).exporter
    while True:
        message, fds, _, _ = socket.recv_fds(channel, _LIMIT, 2)
        if not message:
            return
        asked = json.loads(message)
        gc.freeze()  # a fork's garbage collector leaves the libraries alone, and their pages shared
        pid = os.fork()
        if pid == 0:
            channel.close()
            _run(asked, *fds)
        for number in fds:
            os.close(number)
        code = _waited(pid, channel)
        with suppress(OSError, ValueError):
            _imported(json.loads(_modules(asked).read_text()))
        channel.send(json.dumps({"status": code}).encode())


def _waited(pid: int, channel: socket.socket) -> int:
    """The exit status of the fork; ends it, and this process, where nobody listens any more."""
    process = os.pidfd_open(pid)
    ready, _, _ = select.select([process, channel.fileno()], [], [])
    if process not in ready:
        os.killpg(0, signal.SIGKILL)
    os.close(process)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _run(asked: Mapping[str, Any], reply: int, log: int) -> None:
    """Do the job in this fork, and end it."""
    status = 1
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(asked["place"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        tempfile.tempdir = None
        _bounded(int(os.environ["OMP_NUM_THREADS"]))
        with os.fdopen(reply, "wb", buffering=0) as stream:
            worker.answer(Path(asked["request"]), stream)
        names = [name for name, one in [*sys.modules.items()] if _file_of(one)]
        _modules(asked).write_text(json.dumps(names))
        status = 0
    except BaseException:  # noqa: BLE001 - the last place that can write it into the log
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        # As the worker does: tearing down the libraries is seconds lost, or a crash.
        os._exit(status)


def _bounded(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def _modules(asked: Mapping[str, Any]) -> Path:
    return Path(asked["place"]) / f"{Path(asked['request']).stem}-{_MODULES}"


def _file_of(module: object) -> str | None:
    """The file that a module was found in; `None` of one that cannot be imported by its name."""
    spec = getattr(module, "__spec__", None)
    return spec.origin if spec is not None and spec.has_location else None


def _imported(names: list[str]) -> None:
    for name in names:
        if name not in sys.modules:
            with suppress(Exception):  # a job that needs it names the reason
                importlib.import_module(name)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[2])) as listening:
        serve(sys.argv[1], listening)
