"""Mistakes of a first hour: each is one line with the value and the fix, and nothing is left."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.conftest import Run
from tests.unit.test_cli import change

TOML = "edgekit.toml"
BUILD = ("build", "-t", "host", "-q")
Spoil = Callable[[Path], object]


def shape(numbers: str) -> Spoil:
    return lambda folder: change(folder / TOML, "[3, 16, 16]", numbers)


def source(text: str) -> Spoil:
    return lambda folder: change(folder / TOML, '"model.py:build"', f'"{text}"')


def given(name: str, content: bytes) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(content)
        source(name)(folder)

    return spoil


def marked(folder: Path) -> None:
    """A mark of byte order, and a misspelt key on another line."""
    change(folder / TOML, "scale =", "sacle =")
    file = folder / TOML
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())


def on_cuda(folder: Path) -> None:
    change(folder / "model.py", "return Net()", "return Net().cuda()")


def moved_in_forward(folder: Path) -> None:
    change(folder / "model.py", "return self.head(x", "return self.head(x.cuda()")


def not_finite(folder: Path) -> None:
    weights = load_file(folder / "weights.safetensors")
    weights["head.weight"][0, 0] = float("nan")
    save_file(weights, folder / "weights.safetensors")


def script(folder: Path) -> None:
    traced = torch.jit.trace(torch.nn.Conv2d(3, 3, 1), torch.zeros(1, 3, 16, 16))
    traced.save(str(folder / "traced.pt"))
    change(folder / TOML, '"weights.safetensors"', '"traced.pt"')


def unreadable(folder: Path) -> None:
    """Images cut off in training and deeper than 8 bits in the test data."""
    cut = folder / "data/train/disc/003.png"
    cut.write_bytes(cut.read_bytes()[:150])
    (folder / "data/train/frame/001.png").write_bytes(b"")
    deep = np.arange(256, dtype=np.uint16).reshape(16, 16) * 256
    Image.fromarray(deep).save(folder / "data/test/disc/005.png")


def numbered(shift: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    """The data as arrays, their labels changed."""

    def spoil(folder: Path) -> None:
        for part in ("train", "test"):
            classes = sorted((folder / "data" / part).iterdir())
            files = [(k, f) for k, c in enumerate(classes) for f in sorted(c.iterdir())]
            x = np.stack(
                [np.asarray(Image.open(f)).transpose(2, 0, 1) for _, f in files]
            )
            y = shift(np.array([k for k, _ in files]))
            np.savez(folder / f"{part}.npz", x=x, y=y)
            change(folder / TOML, f'"data/{part}"', f'"{part}.npz"')

    return spoil


def seven_outputs(folder: Path) -> None:
    change(folder / "model.py", "classes=3", "classes=7")
    weights = load_file(folder / "weights.safetensors")
    width = weights["head.weight"].shape[1]
    more = torch.zeros(4, width), torch.full((4,), -99.0)
    for name, rows in zip(("head.weight", "head.bias"), more, strict=True):
        weights[name] = torch.cat([weights[name], rows])
    save_file(weights, folder / "weights.safetensors")


LONG = "x" * 300
PROJECT: dict[str, tuple[Spoil, list[str]]] = {
    "key": (lambda f: change(f / TOML, "scale =", "sacle ="), [":10:", "'scale'"]),
    "table": (lambda f: change(f / TOML, "[budget]", "[bugdet]"), ["'budget'"]),
    "mark of byte order": (marked, [":10:", "sacle = 255", "'scale'"]),
    "weights": (
        lambda f: change(f / TOML, '"weights.', '"wieghts.'),
        ["wieghts.safetensors", "Did you mean 'weights.safetensors'?"],
    ),
    "batch": (shape("[1, 3, 16, 16]"), ["Try [3, 16, 16]", "no batch dimension"]),
    "channels last": (
        shape("[16, 16, 3]"),
        ["Try [3, 16, 16]", "channels come before"],
    ),
    "both": (shape("[1, 16, 16, 3]"), ["Try [3, 16, 16]", "batch", "channels"]),
    "gray": (shape("[1, 16, 16]"), ["Try [3, 16, 16]", "takes 3 channels"]),
    "no channels": (shape("[16, 16]"), ["Try [3, 16, 16]", "takes 3 channels"]),
    "not finite": (not_finite, ["head.weight has 1 NaN", "earlier epoch"]),
    "on cuda": (on_cuda, ["model.py:33", "leave it on the CPU"]),
    "cuda in forward": (moved_in_forward, ["model.py:29", "leave it on the CPU"]),
    "missing module": (
        lambda f: change(f / "model.py", "from torch import nn", "import nothere"),
        ["No module named 'nothere'", "Install that module"],
    ),
    "TorchScript": (script, ["traced.pt is TorchScript", "state_dict()"]),
    "a checkpoint": (
        source("weights.safetensors"),
        ["holds weights", '"model.py:build"'],
    ),
    "an engine": (given("m.engine", b"x"), ["compiled for one device", "made from"]),
    "a notebook": (given("m.ipynb", b"x"), ["notebook", "'model.py:build'"]),
    "a graph": (given("m.pb", b"x"), ["SavedModel"]),
    "a converted file": (given("m.xml", b"x"), ["result of a conversion", "made from"]),
    "a hub's name": (source("google/vit-base"), ["hf download google/vit-base"]),
    "another hub's name": (source("bert-base-uncased"), ["hf download bert-base"]),
    "a file without its function": (source("model.py"), ["'model.py:build'"]),
    "a module": (source("model:build"), ["Did you mean 'model.py:build'?"]),
    "a misspelt function": (source("model.py:biuld"), ["Did you mean 'build'?"]),
    "a misspelt file": (source("modle.py:build"), ["Did you mean 'model.py'?"]),
    "an absent file": (source("modle.onnx"), ["modle.onnx", "[model] source"]),
    "data": (
        lambda f: change(f / TOML, '"data/train"', '"data/trian"'),
        ["data/trian", "Did you mean 'train'?"],
    ),
    "a folder above data": (
        lambda f: change(f / TOML, '"data/train"', '"dta/train"'),
        ["dta/train", "Did you mean 'data/train'?"],
    ),
    "an empty class": (lambda f: (f / "data/train/new").mkdir(), ["new has no images"]),
    "a class less": (lambda f: shutil.rmtree(f / "data/test/disc"), ["disc"]),
    "unreadable images": (
        unreadable,
        ["3 images", "disc/003.png", "frame/001.png", "test/disc/005.png", "16"],
    ),
    "labels from 1": (numbered(lambda y: y + 1), ["class 3", "subtract 1"]),
    "labels turned": (
        numbered(lambda y: (y + 1) % 3),
        ["order of the classes", "--yes"],
    ),
    "more outputs": (seven_outputs, ["7 outputs", "3 classes", "--yes"]),
    "scale": (
        lambda f: change(f / TOML, "scale = 255", "scale = 1"),
        ["[data.preprocess]", "--yes"],
    ),
    "a negative budget": (
        lambda f: change(f / TOML, "= 1.5", "= -2"),
        ["= -2: should"],
    ),
    "a budget in words": (lambda f: change(f / TOML, "= 1.5", '= "2x"'), ['"2x"']),
    "an accuracy in points": (
        lambda f: change(f / TOML, "= 0.05", "= 5"),
        ["less than 1"],
    ),
}
COMMANDS: dict[str, tuple[tuple[str, ...], int, list[str]]] = {
    "a long folder": ((*BUILD, "-o", LONG), 2, ["characters)", "too long"]),
    "a long project": ((*BUILD, "-p", LONG), 2, ["characters)", "too long"]),
    "a long page": (("plan", "-t", "host", "-o", f"{LONG}.html"), 2, ["too long"]),
    "a long artifact": (("bench", f"{LONG}.onnx"), 2, ["too long"]),
    "a folder as a page": (("plan", "-t", "host", "-o", "data"), 2, ["is a folder"]),
    "onto the project": ((*BUILD, "-o", "."), 2, ["was not written by EdgeKit"]),
    "a missing project": (
        (*BUILD, "-p", "dta"),
        2,
        ["Did you mean 'data/edgekit.toml'?"],
    ),
    "a missing bundle": (
        ("package", "--docker", "dat"),
        2,
        ["No bundle at dat", "'data'"],
    ),
    "a missing artifact": (("bench", "model.onnx"), 2, ["No file model.onnx"]),
    "a missing contract": (("inspect", "m.tflite"), 2, ["No file m.tflite"]),
    "a missing record": (
        ("gate", "a.onnx", "--baseline", "edgekit.tml"),
        2,
        ["edgekit.tml", "Did you mean 'edgekit.toml'?"],
    ),
    "a target": (("build", "-t", "rasberrypi"), 2, ["Did you mean 'raspberrypi'?"]),
    "a device": ((*BUILD, "-d", "shh://pi"), 2, ["Did you mean 'ssh'?"]),
    "a tier": (("bench", "a.onnx", "--tier", "quik"), 2, ["Did you mean 'quick'?"]),
}


def refused(mine: Path, run: Run, arguments: tuple[str, ...], code: int) -> str:
    """The only line of a command that leaves nothing behind."""
    before = sorted(mine.rglob("*"))
    status, out, err = run(*arguments)
    assert status == code, err
    assert len(err.strip().splitlines()) == 1, err
    assert out == ""
    left = [p for p in sorted(mine.rglob("*")) if "__pycache__" not in p.parts]
    assert left == before
    return err


@pytest.mark.parametrize("name", PROJECT)
def test_a_mistake_in_a_project_is_named_with_its_fix(
    mine: Path, run: Run, name: str
) -> None:
    spoil, words = PROJECT[name]
    spoil(mine)
    said = refused(mine, run, BUILD, 2)
    assert not [word for word in words if word not in said], said


@pytest.mark.parametrize("name", COMMANDS)
def test_a_mistake_in_a_command_is_named_with_its_fix(
    mine: Path, run: Run, name: str
) -> None:
    arguments, code, words = COMMANDS[name]
    if name == "a missing project":
        (mine / "data/edgekit.toml").touch()
    said = refused(mine, run, arguments, code)
    assert not [word for word in words if word not in said], said


def test_a_readable_file_with_a_mark_of_byte_order_is_read(
    mine: Path, run: Run
) -> None:
    file = mine / TOML
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    change(mine / TOML, "[3, 16, 16]", "[1, 3, 16, 16]")  # a later stage refuses it
    assert "Try [3, 16, 16]" in refused(mine, run, BUILD, 2)
