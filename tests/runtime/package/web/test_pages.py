"""Packages in a real browser: outputs equal those of the bundle's file on its own runtime."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.agent.serving.decode import normalize, pixels
from edgekit.agent.serving.encode import TextEncoder
from edgekit.devices import jobs
from edgekit.devices.browser import chromium
from edgekit.devices.local import LocalDevice
from edgekit.package.opened import open_bundle
from edgekit.types import Artifact, TensorSpec
from tests.packages import write_bundle
from tests.runtime.agent.serving.text_model import contract_in, write_text_model
from tests.runtime.export.digits import FOLDED, Digits
from tests.runtime.package.relu import RAW, tiny
from tests.runtime.package.web.conftest import NPM, Package, visited
from tests.texts import NAMES

BROWSER = any(shutil.which(name) for name in chromium.NAMES)
pytestmark = pytest.mark.skipif(
    not (BROWSER and NPM), reason="needs chromium and npm: apt-get install chromium npm"
)


def inferred(artifact: Artifact, inputs: np.ndarray, folder: Path) -> np.ndarray:
    """Outputs of the file by its own runtime on this machine."""
    given, made = folder / "given.npz", folder / "made.npz"
    np.savez(given, x=inputs)
    LocalDevice().run(jobs.infer(artifact, inputs=given, outputs=made), timeout_s=120)
    with np.load(made) as found:
        return np.asarray(found["output_0"])


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("litert-fp32", 1e-5), ("litert-int8", 1e-6), ("onnxruntime-fp32", 1e-5)],
)
def test_a_hundred_digits_have_the_outputs_of_the_file(
    whole: dict[str, Artifact],
    digits: Digits,
    package: Package,
    tmp_path: Path,
    name: str,
    tolerance: float,
) -> None:
    """Images of bytes, channels last for LiteRT, to probabilities inside the file: of those in
    int8 the softmax alone is in float."""
    artifact = whole[name]
    inputs, targets = digits[1].unprepared().arrays()
    bundle = write_bundle(
        tmp_path / "b",
        [artifact],
        preprocess=[RAW],
        labels=list("0123456789"),
        folded=asdict(FOLDED),
    )
    answers = visited(
        package(bundle), inputs.reshape(100, -1).tolist(), runtime=artifact.runtime
    )
    turned = inputs.astype(np.uint8)
    if artifact.inputs[0].layout == "NHWC":
        turned = turned.transpose(0, 2, 3, 1)
    want = inferred(artifact, turned, tmp_path)
    found = np.float32([one["outputs"][artifact.outputs[0].name] for one in answers])
    np.testing.assert_allclose(found, want, rtol=0, atol=tolerance)
    assert [one["label"] for one in answers] == list(map(str, want.argmax(1)))
    assert (want.argmax(1) == targets).mean() > 0.9


@pytest.mark.parametrize(
    ("isolated", "options"),
    [(False, "{ threads: 4 }"), (True, "{ threads: 2 }")],
)
def test_threads_are_used_where_the_page_is_isolated_and_are_no_error_elsewhere(
    tmp_path: Path, package: Package, isolated: bool, options: str
) -> None:
    how = {**RAW, "scale": 2.0}
    bundle = write_bundle(
        tmp_path / "b", [tiny(tmp_path)], preprocess=[how], task="regression"
    )
    [found] = visited(
        package(bundle),
        [[-1, 2, -3, 5]],
        runtime="litert",
        options=options,
        isolated=isolated,
    )
    assert found == {"outputs": {"y": [0, 1, 0, 2.5]}}


def test_what_is_wrong_is_named(tmp_path: Path, package: Package) -> None:
    bundle = write_bundle(tmp_path / "b", [tiny(tmp_path)], preprocess=[RAW])
    out = package(bundle)
    refused = (
        "await model.run(given).then(() => null, "
        "(error) => `${error.name} ${error.code}: ${error.message}`)"
    )
    bad = [[1, 2], [1, 2, 3, None], "text", {"x": 1}, [1, 2, 3, 4]]
    *found, good = visited(out, bad, runtime="litert", step=refused)
    assert good is None
    assert all(one.startswith("ModelError input: ") for one in found), found
    assert "takes 4 numbers (4), got 2" in found[0]
    assert "null is none" in found[1]
    damaged = bytearray((out / "model.tflite").read_bytes())
    damaged[-1] ^= 1
    (out / "model.tflite").write_bytes(damaged)
    with pytest.raises(AssertionError, match=r"files: .*not the file of this package"):
        visited(out, [], runtime="litert")


def text_bundle(folder: Path) -> Path:
    """The bundle of a model that counts words of a text."""
    place = folder / "model"
    place.mkdir()
    made = write_text_model(place)
    contract = contract_in(place)
    artifact = Artifact(
        name="onnxruntime-fp32",
        runtime="onnxruntime",
        precision="fp32",
        files=(made.path,),
        inputs=tuple(TensorSpec(name=n, shape=(1, 12), dtype="int64") for n in NAMES),
        outputs=(TensorSpec(name="y", shape=(1, 4), dtype="float32"),),
    )
    tokenizer = (place / "tokenizer.json").read_text("utf-8")
    return write_bundle(
        folder / "b",
        [artifact],
        preprocess=[RAW] * 3,
        files={"tokenizer.json": tokenizer},
        text=asdict(contract),
        labels=["bad", "good", "second", "tokens"],
    )


def test_texts_go_in_and_labels_come_out(tmp_path: Path, package: Package) -> None:
    bundle = text_bundle(tmp_path)
    tokenizer = (bundle / "tokenizer.json").read_text("utf-8")
    text = open_bundle(bundle).text
    assert text is not None
    given = ["good, not bad", "bad bad bad bad bad film", ""]
    answers = visited(package(bundle), given, runtime="onnxruntime", text=True)
    rows = TextEncoder(tokenizer, text).encode(given)
    for number, answer in enumerate(answers):
        ids, mask = rows["input_ids"][number], rows["attention_mask"][number]
        want = [(ids == 6).sum(), (ids == 5).sum(), 0, mask.sum()]
        assert answer["outputs"]["y"] == want
        assert answer["label"] == "tokens"


def test_pictures_files_become_the_numbers_of_training(
    tmp_path: Path, package: Package
) -> None:
    """A browser and Pillow decode PNG alike; of JPEG they differ by a step of 255 at most."""
    smooth = np.linspace(0, 255, 40 * 30 * 3).reshape(40, 30, 3).astype(np.uint8)
    picture = Image.fromarray(smooth).resize((64, 48), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter, which training does not look at
    names = ("a.png", "a.jpg")
    for name in names:
        picture.save(tmp_path / name, exif=exif)
    image = TensorSpec(name="x", shape=(1, 3, 9, 7), dtype="float32", layout="NCHW")
    how = {**RAW, "scale": 255.0, "mean": [0.5] * 3, "std": [0.25] * 3}
    file = replace(tiny(tmp_path), inputs=(image,))
    bundle = write_bundle(tmp_path / "b", [file], preprocess=[how])
    found = visited(
        package(bundle),
        [f"files/{name}" for name in names],
        runtime="litert",
        step="await model.prepared(given)",
        files=tmp_path,
    )
    for name, one, step in zip(names, found, (0, 1.01 / 255 / 0.25), strict=True):
        with Image.open(tmp_path / name) as opened:
            raw = pixels(opened, (3, 9, 7), "rgb", "bilinear")
        want = normalize(raw[None], 255.0, [0.5] * 3, [0.25] * 3).ravel()
        np.testing.assert_allclose(one["x"], want, rtol=0, atol=step)
