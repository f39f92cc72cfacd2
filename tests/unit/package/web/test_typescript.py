"""Types that are generated from a contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgekit.package import contract
from edgekit.package.opened import open_bundle
from edgekit.package.web import typescript
from edgekit.runtimes import browser
from tests.packages import PREPROCESS, write_bundle
from tests.unit.package.web.conftest import artifact


def declared(folder: Path, **changes: Any) -> str:
    shape = {key: changes.pop(key) for key in ("inputs", "outputs") if key in changes}
    made = [artifact(folder, **shape)]
    how = [PREPROCESS] * len(made[0].inputs)
    bundle = open_bundle(write_bundle(folder / "b", made, preprocess=how, **changes))
    return typescript.declarations(
        contract.facts(bundle, contract.choose(bundle, None, browser.known()))
    )


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (
            {"labels": ["a", 'b"']},
            ['Label = "a" | "b\\"";', "Sample = Picture | Numbers;", "score: number"],
        ),
        ({"labels": None}, ["Label = string;"]),
        ({"inputs": ((1, 40),)}, ["Sample = Numbers;"]),
        (
            {"inputs": ((1, 1, 8, 8), (1, 4)), "outputs": ((1, 2), (1, 3))},
            [
                'Sample = { "x0": Picture | Numbers; "x1": Numbers };',
                'InputName = "x0" | "x1";',
                '"y1": Float32Array;',
            ],
        ),
        (
            {"task": "segmentation", "outputs": ((1, 3, 8, 8),)},
            ["classes: Int32Array;"],
        ),
        ({"task": "detection", "outputs": ((1, 9, 6),)}, ["boxes: Box[];"]),
    ],
)
def test_types_are_those_of_the_contract(
    tmp_path: Path, changes: dict[str, Any], lines: list[str]
) -> None:
    text = declared(tmp_path, **changes)
    for line in lines:
        assert line in text


def test_a_file_that_decides_gives_no_scores(tmp_path: Path) -> None:
    folded = {
        "preprocess": None, "dtype": "float32", "postprocess": "argmax", "axis": 1,
        "classes": 10,
    }  # fmt: skip
    text = declared(tmp_path, folded=folded, outputs=((1,),))
    assert "label: Label;" in text and "score" not in text
