"""The file of a bundle that a browser runs, and the form of its answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import UsageError
from edgekit.package import contract
from edgekit.package.opened import open_bundle
from edgekit.runtimes import browser, mobile
from tests.packages import PREPROCESS, write_bundle
from tests.unit.package.web.conftest import artifact


def test_the_bundles_own_choice_is_taken_where_a_browser_runs_it(
    tmp_path: Path,
) -> None:
    made = [artifact(tmp_path), artifact(tmp_path, "onnxruntime-fp32")]
    bundle = open_bundle(write_bundle(tmp_path / "b", made))
    chosen = contract.choose(bundle, None, browser.known())
    assert (chosen.artifact["name"], chosen.note) == ("litert-int8", "")
    assert chosen.runtime.package == "@litertjs/core"
    assert contract.choose(
        bundle, "onnxruntime-fp32", browser.known()
    ).runtime.title.startswith("ONNX")


@pytest.mark.parametrize(
    ("own", "dtype", "reason"),
    [("litert-int8", "int64", "takes no int64"), ("openvino-int8", "float32", "does")],
)
def test_another_file_is_taken_with_the_reason(
    tmp_path: Path, own: str, dtype: str, reason: str
) -> None:
    made = [
        artifact(tmp_path, own, dtype=dtype),
        artifact(tmp_path, "onnxruntime-fp32"),
        artifact(tmp_path, "onnxruntime-int8"),
    ]
    bundle = open_bundle(write_bundle(tmp_path / "b", made))
    chosen = contract.choose(bundle, None, browser.known())
    assert chosen.artifact["name"] == "onnxruntime-int8"  # of the same precision
    assert own in chosen.note and reason in chosen.note


def test_a_file_that_keeps_the_accuracy_goes_before_one_of_the_same_precision(
    tmp_path: Path,
) -> None:
    names = ("litert-int8", "onnxruntime-int8", "onnxruntime-fp32")
    made = [artifact(tmp_path, name) for name in names]
    bundle = open_bundle(write_bundle(tmp_path / "b", made))
    bundle.report["budget"] = {"accuracy_drop": 0.02}
    drops = (0.5, 0.15, 0.0)
    for one, drop in zip(bundle.report["candidates"], drops, strict=True):
        one["accuracy_drop"] = drop
    known = browser.known()
    web = {"onnxruntime": known["onnxruntime"]}
    assert contract.choose(bundle, None, web).artifact["name"] == "onnxruntime-fp32"
    assert contract.choose(bundle, None, known).artifact["name"] == "litert-int8"
    bundle.report["candidates"].pop()
    assert contract.choose(bundle, None, web).artifact["name"] == "onnxruntime-int8"


def test_a_bundle_that_no_browser_runs_is_refused(tmp_path: Path) -> None:
    made = [artifact(tmp_path, "openvino-fp32")]
    bundle = open_bundle(write_bundle(tmp_path / "b", made))
    with pytest.raises(UsageError, match="openvino does not run in browsers"):
        contract.choose(bundle, None, browser.known())
    with pytest.raises(UsageError, match="no artifact 'x'"):
        contract.choose(bundle, "x", browser.known())


def test_a_text_beside_other_inputs_is_refused(tmp_path: Path) -> None:
    bundle = open_bundle(write_bundle(tmp_path / "b", [artifact(tmp_path)]))
    [given] = bundle.manifest["contract"]["inputs"]
    bundle.manifest["contract"]["inputs"].append({**given, "name": "input_ids"})
    bundle.manifest["contract"]["text"] = {"inputs": {"input_ids": "ids"}}
    with pytest.raises(UsageError, match=f"takes {given['name']} beside it"):
        contract.choose(bundle, None, browser.known())


@pytest.mark.parametrize(
    ("task", "outputs", "reads", "form"),
    [
        ("classification", ((1, 10),), [], "label"),
        ("classification", ((1, 10), (1, 4)), ["y0"], "label"),
        ("classification", ((1, 10), (1, 4)), [], "values"),
        ("segmentation", ((1, 3, 8, 8),), [], "classes"),
        ("token-classification", ((1, 12, 5),), [], "classes"),
        ("detection", ((1, 20, 9),), [], "boxes"),
        ("detection", ((1, 20, 4), (1, 20, 5)), ["y0", "y1"], "boxes"),
        ("regression", ((1, 2),), [], "values"),
        ("embedding", ((1, 32),), [], "values"),
    ],
)
def test_the_form_of_answers_is_the_tasks(
    tmp_path: Path,
    task: str,
    outputs: tuple[tuple[int, ...], ...],
    reads: list[str],
    form: str,
) -> None:
    made = [artifact(tmp_path, outputs=outputs)]
    folder = write_bundle(tmp_path / "b", made, task=task, reads=reads)
    bundle = open_bundle(folder)
    facts = contract.facts(bundle, contract.choose(bundle, None, browser.known()))
    assert facts["form"] == form


@pytest.mark.parametrize(
    ("shape", "layout", "color", "network", "image"),
    [
        ((1, 3, 8, 6), "NCHW", None, [3, 8, 6], True),
        ((1, 8, 6, 3), "NHWC", None, [3, 8, 6], True),
        ((1, 8, 6, 3), None, None, [8, 6, 3], False),
        ((1, 2, 8, 6), None, None, [2, 8, 6], False),
        ((1, 40), None, None, [40], False),
    ],
)
def test_inputs_have_the_networks_shape(
    tmp_path: Path,
    shape: tuple[int, ...],
    layout: str | None,
    color: str | None,
    network: list[int],
    image: bool,
) -> None:
    made = [artifact(tmp_path, inputs=(shape,), layout=layout)]
    how = {**PREPROCESS, "color": color}
    bundle = open_bundle(write_bundle(tmp_path / "b", made, preprocess=[how]))
    [found] = contract.facts(bundle, contract.choose(bundle, None, browser.known()))[
        "inputs"
    ]
    assert (found["network"], found["image"]) == (network, image)
    assert found["channelsLast"] is (layout == "NHWC")


@pytest.mark.parametrize(
    ("shape", "dtype", "integers"),
    [
        ((1, 40), "int64", True),
        ((1, 40), "int32", True),
        ((1, 40), "uint8", False),
        ((1, 40), "float32", False),
        ((1, 3, 8, 6), "int32", False),
    ],
)
def test_integers_are_inputs_of_whole_numbers_that_are_no_picture(
    tmp_path: Path, shape: tuple[int, ...], dtype: str, integers: bool
) -> None:
    made = [artifact(tmp_path, inputs=(shape,), dtype=dtype)]
    bundle = open_bundle(write_bundle(tmp_path / "b", made))
    chosen = contract.choose(bundle, None, mobile.known("android"))
    [found] = contract.facts(bundle, chosen)["inputs"]
    assert found["integers"] is integers
