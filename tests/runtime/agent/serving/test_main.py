"""Commands of an image, without the image: the same process, on this machine."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.runtime.agent.serving.test_server import write_description


def run(
    folder: Path, model: Any, *command: str, stdin: bytes = b"", search: Path = Path()
) -> subprocess.CompletedProcess[bytes]:
    """A command; modules in `search` come before all others."""
    environment = write_description(folder, model)
    path = os.pathsep.join((str(search.resolve()), environment["PYTHONPATH"]))
    return subprocess.run(
        [sys.executable, "-m", "edgekit.agent.serving.main", *command],
        env={**environment, "PYTHONPATH": path},
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
    )


def npy(values: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(values, np.float32))
    return file.getvalue()


@pytest.mark.parametrize(
    ("stdin", "words"),
    [
        (b"", "is empty"),
        (b"hello", "give - as a .npy"),
        (npy(np.zeros(5)), "has shape [5]; the model takes [4]"),
        (npy(np.zeros(4))[:-3], "Cannot read -"),
    ],
)
def test_input_that_cannot_be_used_is_one_line_and_2(
    tmp_path: Path, requantizing_model: Any, stdin: bytes, words: str
) -> None:
    done = run(tmp_path, requantizing_model, "infer", stdin=stdin)
    assert done.returncode == 2 and done.stdout == b""
    said = [x for x in done.stderr.decode().splitlines() if x.startswith("edgekit:")]
    assert len(said) == 1 and words in said[0]


def test_a_pickled_array_is_not_opened(tmp_path: Path, requantizing_model: Any) -> None:
    file = io.BytesIO()
    np.save(file, np.array([print], dtype=object), allow_pickle=True)
    done = run(tmp_path, requantizing_model, "infer", stdin=file.getvalue())
    assert done.returncode == 2


def test_an_unknown_model_lists_those_there_are(
    tmp_path: Path, requantizing_model: Any
) -> None:
    done = run(tmp_path, requantizing_model, "infer", "--model", "two", stdin=b"x")
    assert done.returncode == 2
    assert b"No model 'two' here. Known: one." in done.stderr
