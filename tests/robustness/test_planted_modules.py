"""Files named like libraries, in the current folder or beside the user's: nobody runs them."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit import child, sources
from edgekit.commands import side_by_side
from edgekit.devices.local import LocalDevice
from edgekit.diff.tensor_worker import instrument
from edgekit.errors import RuntimeMissing
from edgekit.export.workers import export_all
from edgekit.package.docker import wheels
from edgekit.program.program import trace
from edgekit.store import Store
from edgekit.types import InputSpec, ModelSpec
from tests.robustness.conftest import RELATIVE, Planted

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("words", [["--version"], ["targets"], ["inspect", "no.py:x"]])
def test_the_command_itself(here: Planted, words: list[str]) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    for name in loaded_by_python(here.folder.parent):
        (here.folder / f"{name}.py").unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "edgekit", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert here.ran == set(), done.stderr
    assert done.returncode == (2 if "no.py:x" in words else 0), done.stderr


def loaded_by_python(folder: Path) -> list[str]:
    """Modules that `python -m` imports before any module of ours."""
    (folder / "bare.py").write_text("import sys\nprint(*sys.modules)\n")
    command = [sys.executable, "-m", "bare"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=True
    ).stdout.split()


def test_a_script_of_the_command(here: Planted) -> None:
    """As pip writes it, with a planted file beside it."""
    script = here.folder / "edgekit-script"
    script.write_text(
        "import sys\nfrom edgekit.__main__ import main\nsys.exit(main())\n"
    )
    done = subprocess.run(
        [sys.executable, str(script), "--version"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, here.ran) == (0, set()), done.stderr


@pytest.mark.usefixtures("fresh_processes")
def test_exports_and_what_takes_them_apart(carelessly: Planted, tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(4, 3), nn.ReLU()).eval()
    program = trace(network, (InputSpec(shape=(4,)),))
    [artifact] = export_all(
        program, [("onnxruntime", "fp32")], calibration=None, folder=Path("made")
    )
    assert artifact.files[0].is_file()
    opened = instrument(artifact.files[0], Path("copy.onnx"))
    assert opened.steps
    assert carelessly.ran == set()


def test_the_agent_on_this_machine(carelessly: Planted) -> None:
    assert LocalDevice().probe()["machine"]
    assert carelessly.ran == set()


def test_pip(carelessly: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    expected = carelessly.folder / "wanted.txt"
    expected.write_text(f"numpy==0.0.1 --hash=sha256:{0:064}\n")
    with pytest.raises(RuntimeMissing, match=r"numpy==0\.0\.1"):
        wheels.fetch(expected, "x86_64", "opt", Store(carelessly.folder / "cache"))
    assert carelessly.ran == set()


def test_processes_side_by_side(carelessly: Planted) -> None:
    fresh = multiprocessing.get_context("spawn")
    ours, theirs = fresh.Pipe(duplex=False)
    report = side_by_side._QueueProgress(theirs).update
    with child.inherited():
        process = fresh.Process(target=report, args=(1, 2, "half"))
        process.start()
    process.join(60)
    assert process.exitcode == 0
    assert ours.poll() and ours.recv() == (1, 2, "half")
    assert carelessly.ran == set()
    assert os.environ["PYTHONPATH"] == RELATIVE


MODEL = """\
import importlib
import random

import blocks
import parts.tail
from torch import nn


class Lazy(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x):
        import later
        importlib.import_module("much_later")
        return later.double(self.inner(x))


def build():
    import scipy.signal  # imports much that is not there yet
    assert random.random() < 1
    return nn.Sequential(Lazy(), blocks.block(), parts.tail.tail())
"""
LAYER = "from torch import nn\n\ndef {0}():\n    return nn.Linear(4, 4)\n"


def test_a_pickled_network_finds_the_file_of_its_class(tmp_path: Path) -> None:
    (tmp_path / "of_pickle.py").write_text(
        "from torch import nn\n\nclass Net(nn.Linear):\n    pass\n"
    )
    (tmp_path / "model.py").write_text(
        "from torch import nn\n\ndef build():\n    return nn.Linear(4, 2)\n"
    )
    code = "import torch, of_pickle; torch.save(of_pickle.Net(4, 2), 'w.pt')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    spec = ModelSpec(
        source="model.py:build", weights="w.pt", input=InputSpec(shape=(4,))
    )
    program = sources.load(spec, root=tmp_path, allow_pickle=True)
    answer = program.module(torch.zeros(1, 4)).detach().numpy()
    assert np.isfinite(answer).all()
