"""Packages for Android: compiled by Kotlin's own compiler, and run on a JVM against real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.agent.serving.boxes import HEADS, detections
from edgekit.agent.serving.decode import normalize, pixels, placement
from edgekit.agent.serving.encode import TextEncoder
from edgekit.package import box_steps, class_values
from edgekit.package.android import kotlin
from tests.heads import case
from tests.runtime.export.digits import Digits
from tests.runtime.package.android import compiler, networks
from tests.runtime.package.android.driver import (
    COUNT,
    INTEGERS,
    OF_INTEGERS,
    OF_PICTURE,
    OF_TEXT,
    PICTURE,
    Variant,
    driven,
    made,
    native,
    pictured,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (compiler.JAVA and compiler.NPM),
        reason="needs java and npm: apt-get install openjdk-17-jre-headless npm",
    ),
]
HEADS_DRIVER = """package %s

private val known = mapOf(
  %s,
)

fun heads() {
  for ((head, boxes) in known) {
    val outputs = floats("head_$head")
    val size = outputs.size / COUNT
    write("found_head_$head", List(COUNT) { sample ->
      val found = boxes.found(listOf(outputs.copyOfRange(sample * size, (sample + 1) * size)))
      List(20) { found.getOrNull(it) }.flatMap { one ->
        if (one == null) List(6) { -1.0 }
        else one.box.toList() + listOf(one.score, one.index.toDouble())
      }.map { it.toFloat() }
    }.flatten())
  }
}
"""
WRONG = """package wrong

import android.graphics.Bitmap
import model.cells.Cells
import model.digitsco.DigitsCo
import model.finder.Finder
import model.letters.Letters
import model.streetscenes.StreetScenes
import model.twoeyes.TwoEyes
import model.words.Words

suspend fun right(
  digits: DigitsCo, cells: Cells, eyes: TwoEyes, letters: Letters, words: Words, picture: Bitmap,
) {
  val boxes: List<Cells.Box> = cells.run(picture).boxes
  println(boxes.filter { it.label == Cells.Label.RED && it.right - it.left > it.score })
  val label: DigitsCo.Label = digits.run(picture).label
  val far: FloatArray = eyes.run(xY = picture, n2nd = floatArrayOf(1f, 2f, 3f)).outputs.output0
  println("$label ${far.size} ${words.run("good").label == Words.Label.GOOD}")
  println(letters.run(intArrayOf(104, 105)).label == Letters.Label.EU)
}

suspend fun wrong(
  digits: DigitsCo, cells: Cells, finder: Finder, eyes: TwoEyes, scenes: StreetScenes,
  letters: Letters, words: Words, picture: Bitmap,
) {
  digits.run("7") // wrong
  digits.run(picture).label == "7" // wrong
  digits.run(picture).boxes // wrong
  digits.run(picture).label == Words.Label.GOOD // wrong
  finder.run(picture).boxes[0].lable // wrong
  cells.run(picture).boxes[0].box // wrong
  cells.run(picture).boxes[0].label == Finder.Label.A // wrong
  cells.run("picture") // wrong
  scenes.run(picture).label // wrong
  eyes.run(picture) // wrong
  eyes.run(xY = picture, n3rd = floatArrayOf(1f)) // wrong
  letters.run(floatArrayOf(1.5f)) // wrong
  letters.run("hi") // wrong
  letters.run(intArrayOf(1)).label == Words.Label.GOOD // wrong
  words.run(picture) // wrong
  words.run("one", "two") // wrong
}

fun blocked(digits: DigitsCo, picture: Bitmap) {
  digits.run(picture) // wrong
  DigitsCo() // wrong
}
"""


@pytest.fixture(scope="module")
def variants(
    digits: Digits, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Variant]:
    """A package for each form of a sample and of an answer, all compiled and run."""
    root = tmp_path_factory.mktemp("android")
    draw = np.random.default_rng(5)
    drivers = {
        "Street scenes": (PICTURE, OF_PICTURE),
        "finder": (PICTURE, OF_PICTURE),
        "cells": (PICTURE, OF_PICTURE),
        "words": ("text(sample)", OF_TEXT),
        "letters": (INTEGERS, OF_INTEGERS),
        "two eyes": ('picture(sample), row("given", sample)', OF_PICTURE),
        "Digits & co": (PICTURE, OF_PICTURE),
    }
    found = {}
    for name, (sample, prepared) in drivers.items():
        place = root / name.split()[0]
        bundle = networks.bundle(place, name, digits)
        (place / "texts").write_text("\x03".join(texts()), "utf-8")
        given = draw.normal(size=(COUNT, 3))
        if name == "letters":
            given = draw.integers(0, 256, (COUNT, networks.LENGTH))
        given.astype("<f4").tofile(place / "given")
        pictured(place, images(name, digits, draw), gray=name == "cells")
        found[name] = made(place, bundle, sample, prepared)
    driven(root, list(found.values()), [heads(found["cells"])])
    return found


def heads(variant: Variant) -> str:
    """The call that reads boxes of every head; beside it the outputs of each."""
    decoders = []
    for head in HEADS:
        given = case(head, COUNT)
        _, rows, columns = given.outputs.shape
        given.outputs.tofile(variant.folder / f"head_{head}")
        steps = box_steps.of(given.how, [(1, rows, columns)], 3)
        values = class_values._decoder(steps, kotlin.KOTLIN)
        arguments = ", ".join(f"{key} = {value}" for key, value in values)
        decoders.append(f'"{head}" to Boxes({arguments})')
    code = HEADS_DRIVER % (variant.namespace, ",\n  ".join(decoders))
    (variant.folder / "Heads.kt").write_text(code)
    return f"{variant.namespace}.heads"


def images(name: str, digits: Digits, draw: np.random.Generator) -> np.ndarray:
    """Pictures (n, height, width, 3), larger than the input."""
    if name != "Digits & co":
        return draw.integers(0, 256, (COUNT, 13, 17, 3)).astype(np.uint8)
    inputs = digits[1].unprepared().arrays()[0].astype(np.uint8)
    return inputs.transpose(0, 2, 3, 1).repeat(2, 1).repeat(2, 2)


PARTS = """good bad VERY film films é!, 日本 [MASK] 👍 xyz x\u200by Ünïcode don't ΑΣ ﬁ \x85 ²"""


def texts() -> list[str]:
    """Words, marks, accents, added tokens and other scripts, in all lengths."""
    draw = np.random.default_rng(3)
    parts = PARTS.split(" ")
    rows = (draw.choice(parts, draw.integers(0, 20)) for _ in range(COUNT))
    return [" \t"[number % 2].join(row) for number, row in enumerate(rows)]


def prepared_here(variant: Variant, name: str) -> np.ndarray:
    """The pictures as Pillow and EdgeKit prepare them."""
    case = networks.CASES[name]
    shape, how = case.inputs[0].shape, case.preprocess[0]
    color = how["color"] or ("gray" if shape[0] == 1 else "rgb")
    rows = []
    for number in range(COUNT):
        [file] = [
            *variant.folder.glob(f"{number}.png"),
            *variant.folder.glob(f"{number}.jpg"),
        ]
        with Image.open(file) as opened:
            raw = pixels(opened, shape, color, how["resize"], how["fit"])
        rows.append(normalize(raw[None], how["scale"], how["mean"], how["std"])[0])
    return np.stack(rows).reshape(COUNT, -1)


@pytest.mark.parametrize(
    "name", ["Street scenes", "finder", "cells", "two eyes", "Digits & co"]
)
def test_pictures_become_the_numbers_of_training(
    variants: dict[str, Variant], name: str
) -> None:
    """Of PNG to the bit. Java's decoder of JPEG is another than Pillow's: a step or two of 255."""
    found, want = variants[name].found("prepared"), prepared_here(variants[name], name)
    np.testing.assert_array_equal(found[::2], want[::2])
    how = networks.CASES[name].preprocess[0]
    step = 1 / how["scale"] / min(how["std"])
    np.testing.assert_allclose(found[1::2], want[1::2], rtol=0, atol=2.01 * step)


def test_texts_become_the_tokens_of_training(variants: dict[str, Variant]) -> None:
    case = networks.CASES["words"]
    bundle = variants["words"].folder / "bundle"
    content = (bundle / "tokenizer.json").read_text("utf-8")
    rows = TextEncoder(content, networks.text_of(bundle)).encode(texts())
    want = np.concatenate([rows[one.name] for one in case.inputs], 1)
    np.testing.assert_array_equal(variants["words"].found("prepared"), want)


@pytest.mark.parametrize("name", networks.CASES)
def test_a_hundred_answers_are_those_of_the_file(
    variants: dict[str, Variant], name: str
) -> None:
    variant = variants[name]
    given = variant.found("prepared")
    feeds = [given]
    if name == "words":
        feeds = np.split(given, 3, 1)
    elif name == "two eyes":
        beside = np.fromfile(variant.folder / "given", "<f4").reshape(COUNT, 3)
        feeds.append(beside / np.float32(2))
    elif name == "Digits & co":
        feeds = [given.reshape(COUNT, 3, 8, 8).transpose(0, 2, 3, 1)]
    want = native(variant.model, feeds)
    np.testing.assert_allclose(variant.found("outputs"), want, rtol=0, atol=1e-6)
    if name not in ("two eyes", "cells"):
        classes = networks.CASES[name].classes(want)
        np.testing.assert_array_equal(variant.found("classes"), classes)


def test_boxes_are_those_of_the_device(variants: dict[str, Variant]) -> None:
    """In pixels of the pictures, which are letterboxed on the way in."""
    found = variants["cells"].found("classes").reshape(COUNT, 9, 6)
    outputs = variants["cells"].found("outputs")
    how = networks.CASES["cells"].contract["decoder"]
    place = placement((17, 13), (16, 16), "letterbox")
    total = 0
    for rows, values in zip(found, outputs, strict=True):
        parts = [values[:80].reshape(5, 16), values[80:].reshape(5, 3)]
        want = detections(np.concatenate(parts, 1), how)
        total += len(want.boxes)
        got = rows[: len(want.boxes)]
        np.testing.assert_array_equal(got[:, 5], want.classes)
        np.testing.assert_allclose(got[:, 4], want.scores, rtol=1e-6)
        corners = [place.back(box) for box in want.boxes]
        corners = np.reshape(corners, (-1, 4))
        np.testing.assert_allclose(got[:, :4], corners, rtol=1e-5, atol=1e-4)
        assert (rows[len(want.boxes) :] == -1).all()
    assert total > COUNT


@pytest.mark.parametrize("head", HEADS)
def test_every_head_has_the_boxes_of_the_device(
    variants: dict[str, Variant], head: str
) -> None:
    given = case(head, COUNT)
    found = variants["cells"].found(f"head_{head}").reshape(COUNT, -1, 6)
    total = 0
    for sample, rows in enumerate(found):
        want = given.boxes(sample)
        total += len(want.boxes)
        got, rest = rows[: len(want.boxes)], rows[len(want.boxes) :]
        np.testing.assert_array_equal(got[:, 5], want.classes)
        np.testing.assert_allclose(got[:, 4], want.scores, rtol=1e-6)
        np.testing.assert_allclose(got[:, :4], want.boxes, rtol=1e-5, atol=1e-4)
        assert (rest == -1).all()
    assert total > 3 * COUNT


def test_digits_keep_their_labels(variants: dict[str, Variant], digits: Digits) -> None:
    """Pictures of digits, scaled down again and through JPEG, are still what they show."""
    targets = digits[1].unprepared().arrays()[1]
    assert (variants["Digits & co"].found("classes")[:, 0] == targets).mean() > 0.9


def test_wrong_use_is_an_error_of_the_compiler(
    variants: dict[str, Variant], tmp_path: Path
) -> None:
    source = tmp_path / "Wrong.kt"
    source.write_text(WRONG)
    classes = variants["words"].folder.parent / "classes"
    errors = compiler.compiled([source], tmp_path / "out", beside=[classes])
    lines = WRONG.splitlines()
    expected = {n for n, line in enumerate(lines, 1) if line.endswith("// wrong")}
    assert {int(one.split(":")[1]) for one in errors if "error" in one} == expected, (
        errors
    )
