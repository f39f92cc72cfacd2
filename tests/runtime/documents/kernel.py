"""A process with EdgeKit's libraries imported; each command that is typed is a fork of it.

    kernel.py SOCKET

Importing takes longer than most commands of the documentation, and a reader types a hundred. A job
is a message of JSON (words, folder, environment) with the three standard streams; the answer is the
exit code. `edgekit` runs its own entry, `python FILE` the file. Modules that a job imported besides
are imported before the next one. The converters' processes, which a build keeps for its own length,
are kept for all of them, and the shortest tier of measurements takes a fraction of a second: no
page counts on speed. The process ends with its input.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import socket
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

LIMIT = 1 << 17
CLIENT = """\
#!{python} -IS
import json, os, socket, sys
words = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
job = json.dumps([words, os.getcwd(), dict(os.environ)]).encode()
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as kernel:
    kernel.connect({address!r})
    socket.send_fds(kernel, [job], [0, 1, 2])
    sys.exit(int(kernel.recv(64) or 1))
"""
"""The script that stands for `edgekit` and for `python` in a reader's shell."""


def serve(address: str) -> None:
    """Do jobs, one after the other."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen()
        while select.select([listener, sys.stdin], [], [])[0] == [listener]:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(str(_answer(connection)).encode())


def _answer(connection: socket.socket) -> int:
    job, streams, _, _ = socket.recv_fds(connection, LIMIT, 3)
    with tempfile.TemporaryFile() as names:
        process = os.fork()
        if not process:
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            code = _run(*json.loads(job))
            names.write(json.dumps(_imported()).encode())
            names.flush()
            os._exit(code)
        for stream in streams:
            os.close(stream)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        names.seek(0)
        _import(json.loads(names.read() or b"[]"))
    return code


def _imported() -> list[str]:
    """Modules of this process that others can import, those of libraries."""
    found = (
        (name, getattr(one, "__spec__", None)) for name, one in [*sys.modules.items()]
    )
    return [name for name, spec in found if spec is not None and name != "__main__"]


def _import(names: list[str]) -> None:
    for name in names:
        if name not in sys.modules:
            with suppress(ImportError):
                importlib.import_module(name)
    gc.freeze()


def _run(words: list[str], folder: str, environment: dict[str, str]) -> int:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = words if words[0] == "edgekit" else words[1:]
    try:
        _start(words)
    except SystemExit as ended:
        return int(ended.code or 0)
    except BaseException:  # noqa: BLE001 - a fork must not go on as the server
        traceback.print_exc()
        return 1
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _start(words: list[str]) -> None:
    if words[0] == "edgekit":
        from edgekit.cli import main

        main()
    else:
        sys.path.insert(0, str(Path(words[1]).parent.resolve()))
        runpy.run_path(words[1], run_name="__main__")


@contextmanager
def _quick() -> Iterator[None]:
    """Short measurements, and converters that all builds keep."""
    from edgekit.bench.tiers import TIERS
    from edgekit.export import queues, warm

    short = replace(TIERS["quick"], launches=1, warmup_min_s=0.05, min_s=0.1)
    TIERS["quick"] = short  # type: ignore[index]
    with warm.kept():
        warm.WarmProcess.ended = property(_gone)  # type: ignore[assignment, method-assign]
        queues.warm_up([["litert"], ["onnxruntime"]])
        yield


def _gone(process: object) -> bool:
    """Return whether a process ended, which a fork cannot wait for."""
    number = process._process.pid  # type: ignore[attr-defined]
    return not Path(f"/proc/{number}").exists()


if __name__ == "__main__":
    _import(["edgekit.api.bundles", "edgekit.cli", "edgekit.pipeline.build"])
    with _quick():
        serve(sys.argv[1])
