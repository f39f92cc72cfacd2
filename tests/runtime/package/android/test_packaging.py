"""Packages for Android: compiled by Kotlin's own compiler, and run on a JVM against the real files.

Android and LiteRT's library are stubs with the published signatures (`stubs/`); the model runs
on LiteRT in Python behind a pipe (`bridge.py`). Nothing here is Gradle or a device.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from edgekit.agent.serving.decode import normalize, pixels
from edgekit.agent.serving.encode import TextEncoder
from edgekit.store import Store
from tests.packages import package_app
from tests.runtime.export.digits import Digits
from tests.runtime.package.android import compiler, networks

HERE = Path(__file__).parent
COUNT = 100
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (compiler.JAVA and compiler.NPM),
        reason="needs java and npm: apt-get install openjdk-17-jre-headless npm",
    ),
]
PICTURE = "picture(sample)"
OF_PICTURE = "{name}.INPUTS[0].prepared(picture(sample).pixels())"
OF_TEXT = "model.prepared(text(sample)).flatMap {{ it.toList() }}"
DRIVER = """package {namespace}

import android.content.res.AssetManager
import android.graphics.BitmapFactory
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlinx.coroutines.runBlocking

private val folder = File("{folder}")

private fun floats(name: String): FloatArray {{
  val from = ByteBuffer.wrap(File(folder, name).readBytes()).order(ByteOrder.LITTLE_ENDIAN)
  return FloatArray(from.remaining() / 4) {{ from.getFloat() }}
}}

private fun write(name: String, values: List<Float>) {{
  val into = ByteBuffer.allocate(values.size * 4).order(ByteOrder.LITTLE_ENDIAN)
  values.forEach {{ into.putFloat(it) }}
  File(folder, name).writeBytes(into.array())
}}

private fun row(name: String, sample: Int) = floats(name).let {{ whole ->
  val size = whole.size / {count}
  whole.copyOfRange(sample * size, (sample + 1) * size)
}}

private fun text(sample: Int) = File(folder, "texts").readText().split('\u0003')[sample]

private fun picture(sample: Int) = checkNotNull(
  listOf("png", "jpg").map {{ File(folder, "$sample.$it") }}.first {{ it.exists() }}
    .let {{ BitmapFactory.decodeFile(it.path) }})

fun drive() = runBlocking {{
  val prepared = mutableListOf<Float>()
  val outputs = mutableListOf<Float>()
  val classes = mutableListOf<Float>()
  {name}.load(AssetManager(File(folder, "package/src/main/assets")), threads = 2).use {{ model ->
    for (sample in 0 until {count}) {{
      val answer = model.run({sample})
      prepared += {prepared}.toList()
      outputs += Fixtures.values(answer.outputs).flatMap {{ it.toList() }}
      classes += Fixtures.classes(answer)
    }}
  }}
  write("found_prepared", prepared)
  write("found_outputs", outputs)
  write("found_classes", classes)
}}

/** The tests that are in the package. */
fun check() {{
  System.setProperty("fixtures", "{folder}/package/fixtures")
  System.setProperty("assets", "{folder}/package/src/main/assets")
  for (type in listOf({name}Test::class.java, {name}DeviceTest::class.java))
    for (test in type.methods.filter {{ it.isAnnotationPresent(org.junit.Test::class.java) }}) {{
      test.invoke(type.getDeclaredConstructor().newInstance())
      println("passed ${{type.name}}.${{test.name}}")
    }}
}}
"""
MAIN = """package drive

object Main {
  @JvmStatic
  fun main(arguments: Array<String>) {
%s
  }
}
"""
WRONG = """package wrong

import android.graphics.Bitmap
import model.digitsco.DigitsCo
import model.finder.Finder
import model.streetscenes.StreetScenes
import model.twoeyes.TwoEyes
import model.words.Words

suspend fun right(digits: DigitsCo, eyes: TwoEyes, words: Words, picture: Bitmap) {
  val label: DigitsCo.Label = digits.run(picture).label
  val far: FloatArray = eyes.run(xY = picture, n2nd = floatArrayOf(1f, 2f, 3f)).outputs.output0
  println("$label ${far.size} ${words.run("good").label == Words.Label.GOOD}")
}

suspend fun wrong(
  digits: DigitsCo, finder: Finder, eyes: TwoEyes, scenes: StreetScenes, words: Words,
  picture: Bitmap,
) {
  digits.run("7") // wrong
  digits.run(picture).label == "7" // wrong
  digits.run(picture).boxes // wrong
  digits.run(picture).label == Words.Label.GOOD // wrong
  finder.run(picture).boxes[0].lable // wrong
  scenes.run(picture).label // wrong
  eyes.run(picture) // wrong
  eyes.run(xY = picture, n3rd = floatArrayOf(1f)) // wrong
  words.run(picture) // wrong
  words.run("one", "two") // wrong
}

fun blocked(digits: DigitsCo, picture: Bitmap) {
  digits.run(picture) // wrong
  DigitsCo() // wrong
}
"""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A package with 100 samples of its own beside it."""

    folder: Path
    namespace: str
    name: str

    @property
    def sources(self) -> list[Path]:
        """Of the package and its tests, and the driver."""
        return [*(self.folder / "package").rglob("*.kt"), self.folder / "Driver.kt"]

    @property
    def model(self) -> Path:
        """The file in the package."""
        [found] = (self.folder / "package").rglob("*.tflite")
        return found

    def found(self, name: str) -> np.ndarray:
        """Numbers that the driver wrote, a row a sample."""
        return np.fromfile(self.folder / f"found_{name}", "<f4").reshape(COUNT, -1)


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
        "words": ("text(sample)", OF_TEXT),
        "two eyes": ('picture(sample), row("given", sample)', OF_PICTURE),
        "Digits & co": (PICTURE, OF_PICTURE),
    }
    found = {}
    for name, (sample, prepared) in drivers.items():
        place = root / name.split()[0]
        bundle = networks.bundle(place, name, digits)
        (place / "texts").write_text("\x03".join(texts()), "utf-8")
        draw.normal(size=(COUNT, 3)).astype("<f4").tofile(place / "given")
        pictured(place, images(name, digits, draw))
        found[name] = made(place, bundle, sample, prepared)
    driven(root, list(found.values()))
    return found


def made(folder: Path, bundle: Path, sample: str, prepared: str) -> Variant:
    """The package of a bundle, and the driver of its class."""
    out = package_app("android", bundle, Store(), {"out": folder / "package"})
    [test] = (out / "src/test").rglob("*Test.kt")
    variant = Variant(
        folder=folder,
        namespace=f"model.{test.parent.name}",
        name=test.stem.removesuffix("Test"),
    )
    names = {"namespace": variant.namespace, "name": variant.name}
    code = DRIVER.format(
        **names,
        folder=folder,
        count=COUNT,
        sample=sample,
        prepared=prepared.format(**names),
    )
    (folder / "Driver.kt").write_text(code)
    return variant


def driven(root: Path, packages: Sequence[Variant]) -> None:
    """Compile all packages at once, without a warning, and run them with their own tests."""
    calls = [
        f"    {one.namespace}.{name}()"
        for one in packages
        for name in ("drive", "check")
    ]
    (root / "Main.kt").write_text(MAIN % "\n".join(calls))
    stubs = list((HERE / "stubs").glob("*.kt"))
    sources = [file for one in packages for file in one.sources]
    out = root / "classes"
    assert not compiler.compiled([*stubs, *sources, root / "Main.kt"], out)
    resources = [one.folder / "package/fixtures" for one in packages]
    env = {**os.environ, "PYTHON": sys.executable, "BRIDGE": str(HERE / "bridge.py")}
    printed = compiler.run([out, *resources], "drive.Main", [], env)
    for one in packages:
        passed = printed.count(f"passed {one.namespace}.")
        pictures = one.name != "Words"
        assert passed == (7 if pictures else 5), printed


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


def pictured(folder: Path, given: np.ndarray) -> None:
    """Pictures as files, PNG and JPEG in turns."""
    for number, colors in enumerate(given):
        image = Image.fromarray(colors)
        if number % 2:
            image.save(folder / f"{number}.jpg", quality=95, subsampling=0)
        else:
            image.save(folder / f"{number}.png")


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
            raw = pixels(opened, shape, color, how["resize"])
        rows.append(normalize(raw[None], how["scale"], how["mean"], how["std"])[0])
    return np.stack(rows).reshape(COUNT, -1)


def native(file: Path, feeds: Sequence[np.ndarray]) -> np.ndarray:
    """All outputs of the file, a row a sample, by LiteRT in this process."""
    interpreter = Interpreter(str(file), num_threads=1)
    interpreter.allocate_tensors()
    rows = []
    for number in range(COUNT):
        for detail, values in zip(interpreter.get_input_details(), feeds, strict=True):
            shaped = values[number].reshape(detail["shape"]).astype(detail["dtype"])
            interpreter.set_tensor(detail["index"], shaped)
        interpreter.invoke()
        details = interpreter.get_output_details()
        parts = [interpreter.get_tensor(one["index"]).ravel() for one in details]
        rows.append(np.concatenate(parts))
    return np.stack(rows)


@pytest.mark.parametrize("name", ["Street scenes", "finder", "two eyes", "Digits & co"])
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
    if name != "two eyes":
        classes = networks.CASES[name].classes(want)
        np.testing.assert_array_equal(variant.found("classes"), classes)


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
