"""Packages for Android with a driver of their class: compiled, and run on a JVM over 100 samples.

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
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from edgekit.store import Store
from tests.packages import package_app
from tests.runtime.package.android import compiler

HERE = Path(__file__).parent
COUNT = 100
PICTURE = "picture(sample)"
OF_PICTURE = "{name}.INPUTS[0].prepared(picture(sample).pixels())"
INTEGERS = 'integers("given", sample)'
OF_INTEGERS = f"{{name}}.INPUTS[0].tokens({INTEGERS})"
OF_TEXT = "model.prepared(text(sample)).flatMap {{ it.toList() }}"
DRIVER = """package {namespace}

import android.content.res.AssetManager
import android.graphics.BitmapFactory
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlinx.coroutines.runBlocking

private val folder = File("{folder}")
internal const val COUNT = {count}

internal fun floats(name: String): FloatArray {{
  val from = ByteBuffer.wrap(File(folder, name).readBytes()).order(ByteOrder.LITTLE_ENDIAN)
  return FloatArray(from.remaining() / 4) {{ from.getFloat() }}
}}

internal fun write(name: String, values: List<Float>) {{
  val into = ByteBuffer.allocate(values.size * 4).order(ByteOrder.LITTLE_ENDIAN)
  values.forEach {{ into.putFloat(it) }}
  File(folder, name).writeBytes(into.array())
}}

private fun row(name: String, sample: Int) = floats(name).let {{ whole ->
  val size = whole.size / {count}
  whole.copyOfRange(sample * size, (sample + 1) * size)
}}

private fun integers(name: String, sample: Int) = row(name, sample).let {{ row ->
  IntArray(row.size) {{ row[it].toInt() }}
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


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A package with 100 samples of its own beside it."""

    folder: Path
    namespace: str
    name: str

    @property
    def sources(self) -> list[Path]:
        """Of the package and its tests, and the driver."""
        drivers = [self.folder / "Driver.kt", *self.folder.glob("Heads.kt")]
        return [*(self.folder / "package").rglob("*.kt"), *drivers]

    @property
    def model(self) -> Path:
        """The file in the package."""
        [found] = (self.folder / "package").rglob("*.tflite")
        return found

    def found(self, name: str) -> np.ndarray:
        """Numbers that the driver wrote, a row a sample."""
        return np.fromfile(self.folder / f"found_{name}", "<f4").reshape(COUNT, -1)


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


def driven(root: Path, packages: Sequence[Variant], others: Sequence[str] = ()) -> None:
    """Compile all packages at once, without a warning, and run them with their own tests, and
    functions of drivers beside them."""
    calls = [f"{one.namespace}.{f}" for one in packages for f in ("drive", "check")]
    lines = [f"    {call}()" for call in (*calls, *others)]
    (root / "Main.kt").write_text(MAIN % "\n".join(lines))
    stubs = list((HERE / "stubs").glob("*.kt"))
    sources = [file for one in packages for file in one.sources]
    out = root / "classes"
    faults = compiler.compiled([*stubs, *sources, root / "Main.kt"], out)
    assert not faults, faults
    resources = [one.folder / "package/fixtures" for one in packages]
    env = {**os.environ, "PYTHON": sys.executable, "BRIDGE": str(HERE / "bridge.py")}
    printed = compiler.run([out, *resources], "drive.Main", [], env)
    for one in packages:
        tests = [file.read_text() for file in one.sources if file.stem.endswith("Test")]
        expected = sum(text.count("@Test") for text in tests)
        assert printed.count(f"passed {one.namespace}.") == expected >= 5, printed


def pictured(folder: Path, given: np.ndarray, gray: bool) -> None:
    """Pictures as files, PNG and JPEG in turns; with `gray` some without colors."""
    for number, colors in enumerate(given):
        plain = gray and number % 10 > 7
        image = Image.fromarray(colors).convert("L" if plain else "RGB")
        if number % 2:
            image.save(folder / f"{number}.jpg", quality=95, subsampling=0)
        else:
            image.save(folder / f"{number}.png")


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
