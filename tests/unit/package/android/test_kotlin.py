"""The Kotlin class that is generated from a contract."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from edgekit.package import contract
from edgekit.package.android import kotlin
from edgekit.package.opened import open_bundle
from edgekit.runtimes import mobile
from tests.packages import PREPROCESS, write_bundle
from tests.unit.package.web.conftest import artifact

PLACE = kotlin.Place(
    namespace="com.example",
    name="Net",
    folder="com_example",
    sha256=hashlib.sha256(b"").hexdigest(),
)
HOSTILE = 'a"$b\\*/\n\u2028'


def source(folder: Path, **changes: Any) -> str:
    kept = ("inputs", "outputs", "dtype")
    how = {key: changes.pop(key) for key in kept if key in changes}
    made = [artifact(folder, **how)]
    steps = [PREPROCESS] * len(made[0].inputs)
    bundle = open_bundle(write_bundle(folder / "b", made, preprocess=steps, **changes))
    chosen = contract.choose(bundle, None, mobile.known("android"))
    return kotlin.model_class(contract.facts(bundle, chosen), PLACE, None)


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (
            {"labels": [f"a {i}" for i in range(10)]},
            ['    A_3("a 3"),', "val label: Label,", "suspend fun run(x0: Bitmap)"],
        ),
        ({"labels": None}, ["suspend fun run(x0: FloatArray)", "val score: Double"]),
        ({"inputs": ((1, 40),)}, ["intArrayOf(40),", "Outputs(read[0])"]),
        (
            {"inputs": ((1, 40),), "dtype": "int64"},
            ["suspend fun run(x0: IntArray)", "listOf(INPUTS[0].tokens(x0))"],
        ),
        (
            {"inputs": ((1, 1, 8, 8), (1, 4)), "outputs": ((1, 2), (1, 3))},
            ["run(x0: Bitmap, x1: FloatArray)", "val y1: FloatArray"],
        ),
        (
            {"task": "segmentation", "outputs": ((1, 3, 8, 6),)},
            ["val classes: IntArray", "OUTPUTS[0].shape, 1)", "listOf(8, 6)"],
        ),
        (
            {"task": "detection", "outputs": ((1, 20, 9),)},
            ["val boxes: List<Box>", "boxes(read[0], 9, read[0], 9, 4)"],
        ),
        (
            {
                "task": "detection",
                "outputs": ((1, 20, 4), (1, 20, 5)),
                "reads": ["y0", "y1"],
            },
            ["boxes(read[0], 4, read[1], 5, 0)"],
        ),
        ({"task": "regression"}, ["class Answer(val outputs: Outputs)"]),
        (
            {"folded": {"postprocess": "argmax", "axis": 1}},
            ["val index = read[0][0].toInt()"],
        ),
    ],
)
def test_types_are_those_of_the_contract(
    tmp_path: Path, changes: dict[str, Any], lines: list[str]
) -> None:
    text = source(tmp_path, **changes)
    for line in lines:
        assert line in text


def test_numbers_of_pictures_have_no_bitmap(tmp_path: Path) -> None:
    text = source(tmp_path, inputs=((1, 40),), task="regression")
    assert "Bitmap" not in text and "Pixels" not in text


def test_labels_of_another_number_than_the_classes_are_no_enumeration(
    tmp_path: Path,
) -> None:
    assert "enum class" not in source(tmp_path, labels=["a", "b"])


def test_names_of_a_bundle_stay_text(tmp_path: Path) -> None:
    text = source(tmp_path, name=HOSTILE, labels=[HOSTILE, "b"], outputs=((1, 2),))
    assert HOSTILE not in text
    assert r'A_B("a\"\$b\\*/\u000a\u2028"),' in text
    comment = text.partition("/**")[2]
    assert comment.startswith('\n * a"$b\\* /.\n')


def test_a_number_is_that_of_32_bits() -> None:
    assert kotlin.number(0.1) == "0.1f"
    assert kotlin.number(16) == "16.0f"
    assert kotlin.number(1 / 3) == "0.33333334f"
    assert kotlin.number(-1e-9) == "-1e-09f"
