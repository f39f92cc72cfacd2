"""A script for a Python with TensorFlow: forks a process with it loaded for each job.

    fork_server.py SOCKET

A job is a line of JSON, the words of a command line whose first is a script; the answer is one
with its exit code and what it wrote to its standard error. The server ends with its input, and
removes the folder of its socket.
Imports nothing of EdgeKit.
"""

from __future__ import annotations

import json
import os
import runpy
import select
import shutil
import signal
import socket
import sys
import tempfile
import traceback
from pathlib import Path

SECONDS = 120
"""After which a job is ended by a signal."""


def serve(address: str) -> None:
    """Answer jobs one after the other."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        while select.select([listener, sys.stdin], [], [])[0] == [listener]:
            connection, _ = listener.accept()
            with connection, connection.makefile("rw") as stream:
                stream.write(json.dumps(_answer(json.loads(stream.readline()))))


def _answer(words: list[str]) -> tuple[int, str]:
    """Exit code and standard error of a job; a signal's number is negative."""
    with tempfile.TemporaryFile() as said:
        process = os.fork()
        if not process:
            signal.alarm(SECONDS)
            os.dup2(said.fileno(), 2)
            os._exit(_run(words))
        _, status = os.waitpid(process, 0)
        said.seek(0)
        text = said.read().decode("utf-8", "replace")
    return os.waitstatus_to_exitcode(status), text


def _run(words: list[str]) -> int:
    """As Python runs a script: its folder comes first, and an error is written."""
    sys.argv = words
    sys.path.insert(0, str(Path(words[0]).parent))
    try:
        runpy.run_path(words[0], run_name="__main__")
    except SystemExit as ended:
        return int(ended.code or 0)
    except BaseException:  # noqa: BLE001 - a fork must not go on as the server
        traceback.print_exc()
        return 1
    finally:
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    import tensorflow  # noqa: F401
    import tf2onnx.tfonnx  # noqa: F401

    try:
        serve(sys.argv[1])
    finally:
        shutil.rmtree(Path(sys.argv[1]).parent)
