"""Damaged SavedModels: TensorFlow is loaded once, and a fork of that process reads each of them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

from edgekit.sources.tensorflow.load import PYTHON

FOLDER = "net"
FILES = (
    "saved_model.pb",
    "variables/variables.index",
    "variables/variables.data-00000-of-00001",
)
_SERVER = Path(__file__).with_name("fork_server.py")
_MAKER = Path(__file__).parents[1] / "runtime/sources/tensorflow/make_models.py"
_SECONDS = 120
_CLIENT = """\
#!{python} -IS
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    with server.makefile("rw") as stream:
        stream.write(json.dumps(sys.argv[1:]) + chr(10))
        stream.flush()
        code, errors = json.loads(stream.read())
sys.stderr.write(errors)
sys.stderr.flush()
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


def missing() -> str:
    """Why no SavedModel can be read here; empty where one can."""
    here = all(importlib.util.find_spec(n) for n in ("tensorflow", "tf2onnx"))
    return (
        ""
        if here or os.environ.get(PYTHON)
        else f"needs TensorFlow, here or in {PYTHON}"
    )


def make(folder: Path) -> None:
    """A sound SavedModel."""
    forks()
    made = folder / "made"
    made.mkdir()
    words = [os.environ[PYTHON], str(_MAKER), str(made)]
    subprocess.run(words, check=True, capture_output=True)
    (made / "free").rename(folder / FOLDER)
    shutil.rmtree(made)


@cache
def forks() -> subprocess.Popen[bytes]:
    """The process that holds TensorFlow; its forks are this process's Python with TensorFlow."""
    folder = Path(tempfile.mkdtemp(prefix="edgekit-fuzz-"))
    address = folder / "socket"
    command = [os.environ.get(PYTHON) or sys.executable, str(_SERVER), str(address)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_quiet()
    )
    end = time.monotonic() + _SECONDS
    while not address.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{command[0]} does not start")
        time.sleep(0.1)
    client = folder / "python"
    client.write_text(_CLIENT.format(python=sys.executable, address=str(address)))
    client.chmod(0o755)
    os.environ[PYTHON] = str(client)
    return process


def _quiet() -> dict[str, str]:
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
