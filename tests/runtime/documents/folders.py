"""Files and folders of a page's reader, made tiny, under the names that the page uses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow
import torch
from pyarrow import parquet
from safetensors.torch import save_file
from torch import nn

from edgekit import data
from edgekit.decoders import artifact_choice, decoder, shrink
from edgekit.decoders.engines.protocol import WeightFormat
from edgekit.progress import Silent
from edgekit.types import InputSpec, Preprocess
from tests import texts
from tests.runtime.documents.training import fit
from tests.runtime.sources.huggingface.test_texts import opinions
from tests.unit.decoders import folders as generators
from tests.unit.sources.huggingface import folders as pretrained

IMAGES = (
    "[data.preprocess]\nscale = 255\nmean = [0.5, 0.5, 0.5]\nstd = [0.25, 0.25, 0.25]\n"
)
NUMBERS = "[data.preprocess]\nscale = 1\nmean = [0.0]\nstd = [1.0]\n"
SESSION = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import edgekit as ek
from edgekit.types import DistillRecipe, ExportRecipe, PruneRecipe
from tests.runtime.documents.training import fit

torch.manual_seed(0)
y = torch.arange(96) % 3
x = 0.3 * torch.randn(96, 3, 32, 32)
x[y == 0, :, :16] += 1
x[y == 1, :, 16:] += 1
x[y == 2, :, :, :16] += 1
train_loader = test_loader = DataLoader(TensorDataset(x, y), batch_size=32)
net = nn.Sequential(
    nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
    nn.Conv2d(16, 16, 3, stride=2), nn.ReLU(),
    nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 3),
)
fit(net, x, y)
quick = ek.Recipe(
    minutes=0,
    prune=PruneRecipe(cost_provenance="estimated", rounds=1, iterations=1),
    distill=DistillRecipe(epochs=1),
    export=ExportRecipe(runtimes=("litert", "onnxruntime"), precisions=("fp32",)),
)
"""
"""Python of a reader with a network and loaders of their own, before the page's first line."""
SOUND = """\
from torch import nn


def build():
    return nn.Sequential(
        nn.Conv1d(1, 8, 80, stride=40), nn.ReLU(), nn.Conv1d(8, 16, 5, stride=4), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(16, 2),
    )
"""
LENGTH = 64
"""Tokens of a text on the pages."""
Has = Callable[[Path, Path], object]
"""Puts something into a reader's folder, from a project that was built (the second)."""


def empty(folder: Path, built: Path) -> None:
    """Nothing: the page makes it."""


def images(folder: Path, built: Path) -> None:
    """A folder of images a class."""
    shutil.copytree(built / "data", folder / "data", copy_function=os.link)


def network(folder: Path, built: Path) -> None:
    """A trained network in PyTorch, and images."""
    images(folder, built)
    for name in ("model.py", "weights.safetensors"):
        shutil.copyfile(built / name, folder / name)


def without_project(folder: Path, built: Path) -> None:
    """The same in a folder without `edgekit.toml`."""
    (folder / "edgekit.toml").unlink(missing_ok=True)
    if not (folder / "model.py").exists():
        network(folder, built)


def stretched(folder: Path, built: Path) -> None:
    """The same with a network that was trained on images of twice the size."""
    without_project(folder, built)
    made: dict[str, Any] = {}
    exec((folder / "model.py").read_text(), made)
    torch.manual_seed(0)
    net = made["build"]()
    spec = InputSpec(shape=(3, 32, 32))
    how = Preprocess(mean=(0.5,) * 3, std=(0.25,) * 3)
    x, y = data.load("data/train", root=folder, input=spec, preprocess=how).arrays()
    fit(net, torch.from_numpy(x), torch.from_numpy(y))
    save_file(net.state_dict(), folder / "weights.safetensors")


def described(folder: Path, built: Path) -> None:
    """The project's file."""
    shutil.copyfile(built / "edgekit.toml", folder / "edgekit.toml")


def project(folder: Path, built: Path) -> None:
    """A project of images, its bundles, and the files that come of them."""
    network(folder, built)
    described(folder, built)
    bundle = built / "build" / "raspberrypi"
    for name in ("raspberrypi", "pi", "host"):
        shutil.copytree(bundle, folder / "build" / name)
    for name in ("first", "second"):
        (folder / "reports" / name).mkdir(parents=True)
        shutil.copyfile(
            bundle / "report.json", folder / "reports" / name / "report.json"
        )
    files(folder, built)


def files(folder: Path, built: Path) -> None:
    """Artifacts beside the project, the student, and samples as an application feeds them."""
    bundle = built / "build" / "raspberrypi"
    [tflite] = bundle.rglob("litert-fp32.tflite")
    [onnx] = bundle.rglob("onnxruntime-fp32.onnx")
    for name in ("model", "new", "old", "other"):
        shutil.copyfile(tflite, folder / f"{name}.tflite")
        shutil.copyfile(onnx, folder / f"{name}.onnx")
    shutil.copyfile(bundle / "student.pt2", folder / "student.pt2")
    spec = InputSpec(shape=(3, 16, 16))
    how = Preprocess(mean=(0.5,) * 3, std=(0.25,) * 3)
    samples = data.load("data/test", root=folder, input=spec, preprocess=how)
    np.save(folder / "fed.npy", samples.arrays()[0][:16])


def commits(folder: Path, built: Path) -> None:
    """The project in git: two versions of a report, the first with a tag."""
    project(folder, built)
    report = (folder / "reports" / "first" / "report.json").read_text()
    named = ("-c", "user.name=Reader", "-c", "user.email=reader@example.org")

    def git(*words: str) -> None:
        subprocess.run(
            ["git", *named, *words], cwd=folder, check=True, capture_output=True
        )

    git("init", "-b", "main")
    for version in ("v1.0", "v1.1"):
        for file in ("baseline.json", "reports/first/report.json"):
            (folder / file).write_text(report)
        git("add", "reports", "baseline.json")
        git("commit", "--message", version)
        git("tag", version)
        report += "\n"


def session(folder: Path, built: Path) -> None:
    """A network and loaders in the memory of Python."""
    without_project(folder, built)
    (folder / "session.py").write_text(SESSION)


def artifact(suffix: str) -> Has:
    """Images, and a trained network in a file of a runtime."""

    def write(folder: Path, built: Path) -> None:
        images(folder, built)
        [file] = (built / "build" / "raspberrypi").rglob(f"*-fp32{suffix}")
        shutil.copyfile(file, folder / f"network{suffix}")

    return write


def arrays(folder: Path, built: Path) -> None:
    """Vectors of two classes in `.npz` files."""
    chance = np.random.default_rng(0)
    for name, count in (("train", 200), ("test", 80)):
        y = np.arange(count) % 2
        x = chance.normal(0, 1, (count, 8)) + 2 * y[:, None]
        np.savez(folder / name, x=x.astype(np.float32), y=y)


def sound(folder: Path, built: Path) -> None:
    """A network for a second of sound, and 16-bit recordings of two pitches."""
    chance = np.random.default_rng(0)
    made = {}
    for name, count in (("train", 80), ("test", 40)):
        y = np.arange(count) % 2
        wave = np.sin(np.arange(16000) * np.where(y, 0.5, 0.05)[:, None])
        x = 8000 * wave + chance.normal(0, 500, (count, 16000))
        made[name] = x.astype(np.int16)[:, None], y
        np.savez(folder / name, x=made[name][0], y=y)
    (folder / "model.py").write_text(SOUND)
    net: dict[str, Any] = {}
    exec(SOUND, net)
    torch.manual_seed(0)
    trained = net["build"]()
    x, y = made["train"]
    fit(trained, torch.tensor(x / 32768, dtype=torch.float32), torch.tensor(y))
    save_file(trained.state_dict(), folder / "weights.safetensors")


def pretrained_folder(name: str) -> Has:
    """A Hugging Face folder that distinguishes good films from bad ones, and texts in tables."""

    def write(folder: Path, built: Path) -> None:
        (folder / "edgekit.toml").unlink(missing_ok=True)
        for part, count in (("train", 120), ("test", 60)):
            rows = opinions(count, len(part))
            columns = {"text": [x for x, _ in rows], "label": [y for _, y in rows]}
            parquet.write_table(pyarrow.table(columns), folder / f"{part}.parquet")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        _bert(folder / name, opinions(120, 5))

    return write


def _bert(folder: Path, rows: list[tuple[str, str]]) -> None:
    import transformers

    config = transformers.BertConfig(
        vocab_size=pretrained.VOCABULARY,
        max_position_embeddings=LENGTH,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=2,
    )
    kind = transformers.BertForSequenceClassification
    net = pretrained.saved(kind, config, folder)
    numbers = {token: number for number, token in enumerate(texts.vocabulary())}
    tokens = transformers.BertTokenizer(vocab=numbers, model_max_length=LENGTH)
    tokens.save_pretrained(folder)
    given = tokens([text for text, _ in rows], padding="max_length", truncation=True,
                   max_length=LENGTH, return_tensors="pt")  # fmt: skip
    targets = torch.tensor([label == "good" for _, label in rows]).long()
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)
    net.train()
    for _ in range(40):
        optimizer.zero_grad()
        net(**given, labels=targets).loss.backward()
        optimizer.step()
    net.eval().save_pretrained(folder)


def keras(folder: Path, built: Path) -> None:
    """An archive as Keras 3 writes it: a convolution, pooling and a layer, for our images."""
    images(folder, built)
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3)
    )  # fmt: skip
    spec = InputSpec(shape=(3, 16, 16))
    how = Preprocess(mean=(0.5,) * 3, std=(0.25,) * 3)
    x, y = data.load("data/train", root=folder, input=spec, preprocess=how).arrays()
    fit(net, torch.from_numpy(x), torch.from_numpy(y), 150)
    _archive(folder / "network.keras", net)


def _archive(path: Path, net: nn.Sequential) -> None:
    convolution, linear = net[0], net[4]
    weights = {
        "conv2d": (convolution.weight.permute(2, 3, 1, 0), convolution.bias),
        "dense": (linear.weight.T, linear.bias),
    }
    layers = [
        _layer("InputLayer", batch_shape=[None, 16, 16, 3]),
        _layer("Conv2D", name="conv2d", filters=16, kernel_size=[3, 3], strides=[1, 1],
               padding="valid", data_format="channels_last", dilation_rate=[1, 1], groups=1,
               activation="relu", use_bias=True),
        _layer("GlobalAveragePooling2D", data_format="channels_last", keepdims=False),
        _layer("Dense", name="dense", units=3, activation="linear", use_bias=True),
    ]  # fmt: skip
    config = _layer("Sequential", module="keras", layers=layers)
    stored = path.with_suffix(".h5")
    with h5py.File(stored, "w") as file:
        for name, values in weights.items():
            for number, value in enumerate(values):
                array = value.detach().numpy()
                file[f"layers/{name}/vars/{number}"] = np.ascontiguousarray(array)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.5.0"}))
        archive.write(stored, "model.weights.h5")
    stored.unlink()


def _layer(kind: str, module: str = "keras.layers", **config: Any) -> dict[str, Any]:
    config = {"name": kind.lower(), "trainable": True, **config}
    return {
        "class_name": kind,
        "module": module,
        "registered_name": None,
        "name": config["name"],
        "config": config,
    }


def generator(folder: Path, built: Path) -> None:
    """A decoder that generates, and text of the user's."""
    generators.write(
        folder / "smollm", hidden_size=128, intermediate_size=256, num_hidden_layers=4
    )
    generators.add_tokenizer(folder / "smollm")
    (folder / "notes").mkdir()
    sentence = "A quick brown fox jumps over the lazy dog. "
    (folder / "notes" / "fox.txt").write_text(sentence * 200)


def cut_generator(folder: Path, built: Path) -> None:
    """The same with a cut one, and with a runtime's folder where that is installed."""
    generator(folder, built)
    opened = decoder.read(folder / "smollm")
    request = shrink.CutRequest(
        source=opened.folder,
        texts=shrink.Texts(files=(folder / "notes",), length=64, rows=8),
        depth=0.25,
    )
    shrink.cut(request, folder / "smollm-cut", Silent())
    if find_spec("openvino_genai"):
        out = folder / "smollm-openvino"
        artifact_choice.export(opened, "openvino-genai", WeightFormat(), out)


HAS: Mapping[str, Mapping[str, Has]] = {
    "README.md": {"": without_project, "Your own network": session},
    "docs/python.md": {"": session},
    "docs/quickstart.md": {"": empty},
    "docs/your-network.md": {
        "": stretched,
        "Texts": pretrained_folder("path/to/folder"),
        "Several outputs": described,
    },
    "docs/ci.md": {"": commits},
    "docs/history.md": {"": commits},
    "docs/commands/history.md": {"": commits},
    "docs/decoders.md": {"": generator},
    "docs/commands/decoder-cut.md": {"": generator},
    "docs/commands/decoder-trim.md": {"": generator},
    "docs/commands/decoder-distill.md": {"": cut_generator},
    "docs/commands/decoder-export.md": {"": generator},
    "docs/commands/decoder-bench.md": {"": cut_generator},
    "docs/recipes.md": {
        "": empty,
        "A keyword spotter on a phone": sound,
        "A transformer on an Intel N100": pretrained_folder("sentiment"),
        "A limit of size for an app or a page": project,
    },
    "docs/tutorials/pytorch.md": {"": images},
    "docs/tutorials/pt2.md": {"": arrays},
    "docs/tutorials/onnx.md": {"": artifact(".onnx")},
    "docs/tutorials/tflite.md": {"": artifact(".tflite")},
    "docs/tutorials/keras.md": {"": keras},
    "docs/tutorials/huggingface.md": {"": pretrained_folder("sentiment")},
}
"""By page and heading, what its reader has from there on; `project` on every other page."""
FILLS: Mapping[str, str] = {
    "docs/quickstart.md": "",
    "docs/tutorials/pt2.md": NUMBERS,
    "docs/tutorials/huggingface.md": "",
    "docs/recipes.md": "",
}
"""By page, preprocessing that its reader fills in; that of the images on every other page."""
