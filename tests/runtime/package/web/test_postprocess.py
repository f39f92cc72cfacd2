"""Answers of a page: labels, classes of places, boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.agent.serving.predict import softmax
from edgekit.package.web import packaging
from tests.runtime.package.web.conftest import Script
from tests.runtime.package.web.test_preprocess import js


def answer(
    folder: Path, script: Script, contract: dict[str, Any], **outputs: np.ndarray
) -> Any:
    for name in ("postprocess.js", "boxes.js"):
        (folder / name).write_bytes((packaging._ASSETS / name).read_bytes())
    (folder / "package.json").write_text('{"type": "module"}')
    usual = {"reads": [], "labels": None, "postprocess": None, "axis": 1}
    whole = {**usual, "decoder": None, **contract}
    given = ", ".join(
        f"{name}: {{ values: Float32Array.from({js(x.ravel().tolist())}), "
        f"shape: {list(x.shape)} }}"
        for name, x in outputs.items()
    )
    return script(
        folder,
        f"""import {{ answer }} from "./postprocess.js";
const found = answer({js(whole)}, {{ {given} }});
console.log(JSON.stringify(found, (_, v) => (ArrayBuffer.isView(v) ? [...v] : v)));""",
    )


def test_a_label_has_its_probability(tmp_path: Path, script: Script) -> None:
    scores = np.array([[1.5, -200, 3.25, 3.25]], np.float32)
    contract = {"form": "label", "labels": ["a", "b", "c", "d"]}
    found = answer(tmp_path, script, contract, y=scores)
    assert found["label"] == "c"
    want = softmax(scores[0])
    np.testing.assert_allclose(list(found["scores"].values()), want, rtol=1e-15)
    assert found["score"] == found["scores"]["c"]
    assert found["outputs"]["y"] == scores.ravel().tolist()


def test_of_several_outputs_the_read_one_is_answered(
    tmp_path: Path, script: Script
) -> None:
    contract = {"form": "label", "reads": ["z"]}
    y, z = np.array([[9, 0]], np.float32), np.array([[0, 1]], np.float32)
    assert answer(tmp_path, script, contract, y=y, z=z)["label"] == "1"


def test_steps_inside_the_file_are_not_done_again(
    tmp_path: Path, script: Script
) -> None:
    ready = np.array([[0.25, 0.75]], np.float32)
    found = answer(
        tmp_path, script, {"form": "label", "postprocess": "softmax"}, y=ready
    )
    assert found["score"] == 0.75
    number = np.array([3], np.float32)
    contract = {"form": "label", "postprocess": "argmax", "labels": list("abcd")}
    assert answer(tmp_path, script, contract, y=number)["label"] == "d"


@pytest.mark.parametrize(("axis", "shape"), [(1, (1, 5, 6, 4)), (-1, (1, 12, 5))])
def test_each_place_has_its_class(
    tmp_path: Path, script: Script, axis: int, shape: tuple[int, ...]
) -> None:
    scores = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = answer(tmp_path, script, {"form": "classes", "axis": axis}, y=scores)
    want = scores.argmax(axis)[0]
    assert found["shape"] == list(want.shape)
    assert found["classes"] == want.ravel().tolist()


@pytest.mark.parametrize("apart", [False, True])
def test_each_box_has_its_likeliest_class(
    tmp_path: Path, script: Script, apart: bool
) -> None:
    values = np.random.default_rng(0).normal(size=(1, 6, 7)).astype(np.float32)
    parts = {"boxes": values[..., :4], "scores": values[..., 4:]}
    contract = {"form": "boxes", "labels": list("abc")}
    if apart:
        contract["reads"] = ["boxes", "scores"]
        found = answer(tmp_path, script, contract, **parts)
    else:
        found = answer(tmp_path, script, contract, y=values)
    best = parts["scores"][0].argmax(-1)
    assert [one["index"] for one in found["boxes"]] == best.tolist()
    assert [one["label"] for one in found["boxes"]] == ["abc"[i] for i in best]
    np.testing.assert_array_equal(
        np.float32([one["box"] for one in found["boxes"]]), parts["boxes"][0]
    )
