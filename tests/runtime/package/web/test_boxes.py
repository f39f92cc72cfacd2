"""A page's boxes are the device's: every head of a detector, and the picture around the input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgekit.agent.serving.boxes import HEADS, detections
from edgekit.agent.serving.decode import decode, pixels, placement
from edgekit.package import box_steps
from edgekit.package.web import packaging
from edgekit.tasks.decoding import described
from edgekit.types import Artifact, BoxDecoder, TaskSpec, TensorSpec
from tests.heads import Case, case
from tests.packages import write_bundle
from tests.runtime.package.relu import RAW
from tests.runtime.package.web.conftest import Package, Script, visited
from tests.runtime.package.web.test_pages import BROWSER, NPM

SAMPLES = 100
DECODE = """import { readFileSync } from "node:fs";
import { detections } from "./boxes.mjs";
const whole = new Float32Array(readFileSync(new URL("outputs", import.meta.url)).buffer);
const [how, samples, count, columns] = %s;
const found = [];
for (let i = 0; i < samples; i++) {
  const rows = whole.subarray(i * count, (i + 1) * count);
  const parts = columns.map((width, part) => {
    const before = columns.slice(0, part).reduce((a, b) => a + b, 0);
    const all = columns.reduce((a, b) => a + b, 0);
    return Float32Array.from({ length: (count / all) * width },
      (_, at) => rows[Math.floor(at / width) * all + before + (at %% width)]);
  });
  found.push(detections(how, parts).map(({ box, score, index }) => [...box, score, index]));
}
console.log(JSON.stringify(found));
"""


def decoded(folder: Path, script: Script, given: Case, columns: list[int]) -> Any:
    """The boxes that a page reads of outputs in parts of so many `columns`."""
    source = packaging._ASSETS / "boxes.js"
    (folder / "boxes.mjs").write_bytes(source.read_bytes())
    (folder / "outputs").write_bytes(given.outputs.tobytes())
    rows = given.outputs.shape[1]
    how = box_steps.of(given.how, [(1, rows, each) for each in columns], 3)
    values = [how, SAMPLES, given.outputs[0].size, columns]
    return script(folder, DECODE % json.dumps(values))


def check(found: Any, given: Case) -> None:
    """Every sample has the device's boxes, of which there are many that were suppressed."""
    total = 0
    for sample, rows in enumerate(found):
        want = given.boxes(sample)
        total += len(want.boxes)
        got = np.array(rows).reshape(-1, 6)
        np.testing.assert_array_equal(got[:, 5], want.classes)
        np.testing.assert_allclose(got[:, 4], want.scores, rtol=1e-12)
        np.testing.assert_allclose(got[:, :4], want.boxes, rtol=1e-10, atol=1e-10)
    assert total > 3 * SAMPLES


@pytest.mark.parametrize("head", HEADS)
def test_every_head_has_the_boxes_of_the_device(
    tmp_path: Path, script: Script, head: str
) -> None:
    given = case(head, SAMPLES)
    check(decoded(tmp_path, script, given, [given.outputs.shape[2]]), given)


@pytest.mark.parametrize(
    ("head", "changes"),
    [("dfl", {"overlap": 1.0}), ("dfl", {"overlap": 0.1, "most": 4}), ("boxes", {})],
)
def test_outputs_apart_and_other_limits(
    tmp_path: Path, script: Script, head: str, changes: dict[str, Any]
) -> None:
    given = case(head, SAMPLES, **changes)
    width = given.outputs.shape[2]
    check(decoded(tmp_path, script, given, [width - 3, 3]), given)


def test_a_background_of_the_data_is_left_out(tmp_path: Path, script: Script) -> None:
    given = case("retinanet", SAMPLES)
    given.how["background"] = 1
    check(decoded(tmp_path, script, given, [given.outputs.shape[2]]), given)


@pytest.mark.parametrize("size", [(31, 17), (17, 31), (9, 300), (24, 20), (2, 90)])
@pytest.mark.parametrize("color", ["gray", "bgr"])
def test_a_letterboxed_picture_lies_where_training_had_it(
    tmp_path: Path, script: Script, size: tuple[int, int], color: str
) -> None:
    shape = (1 if color == "gray" else 3, 24, 20)
    values = np.random.default_rng(0).integers(0, 256, (*size[::-1], 4), np.uint8)
    values[..., 3] = 255
    source = packaging._ASSETS / "preprocess.js"
    (tmp_path / "preprocess.mjs").write_bytes(source.read_bytes())
    how = {"color": color, "resize": "bilinear", "fit": "letterbox"}
    image = {"width": size[0], "height": size[1], "data": values.ravel().tolist()}
    found = script(
        tmp_path,
        f"""import {{ back, pixels, placement }} from "./preprocess.mjs";
const [image, shape, how] = {json.dumps([image, shape, how])};
const place = placement(image, shape, how.fit);
const box = back([1, 2, 10.5, 20], place);
console.log(JSON.stringify([[...pixels(image, shape, how)], box]));""",
    )
    picture = Image.fromarray(values[..., :3])
    want = pixels(picture, shape, color, "bilinear", "letterbox")
    np.testing.assert_array_equal(found[0], want.ravel())
    place = placement(size, shape[1:], "letterbox")
    np.testing.assert_allclose(found[1], place.back([1, 2, 10.5, 20]), rtol=1e-15)


SHAPE = (3, 16, 16)
STEPS = {**RAW, "scale": 255.0, "mean": [0.5], "std": [0.25], "fit": "letterbox"}


def detector(folder: Path) -> Artifact:
    """Boxes and scores of five places, as sums of all pixels."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    draw = np.random.default_rng(0)
    weights = draw.normal(0, 0.1, (3 * 16 * 16, 5 * 19)).astype(np.float32)
    sizes = {"rows": [1, 768], "places": [1, 5, 19], "parts": [16, 3]}
    constants = [numpy_helper.from_array(weights, "w")]
    constants += [
        numpy_helper.from_array(np.array(value), name) for name, value in sizes.items()
    ]
    nodes = [
        helper.make_node("Reshape", ["x", "rows"], ["row"]),
        helper.make_node("MatMul", ["row", "w"], ["sums"]),
        helper.make_node("Reshape", ["sums", "places"], ["joined"]),
        helper.make_node("Split", ["joined", "parts"], ["boxes", "scores"], axis=2),
    ]
    shapes = {"x": (1, *SHAPE), "boxes": (1, 5, 16), "scores": (1, 5, 3)}
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    graph = helper.make_graph(nodes, "detector", ends[:1], ends[1:], constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    )
    onnx.save(model, folder / "detector.onnx")
    given, *made = (
        TensorSpec(name=name, shape=shape, dtype="float32")
        for name, shape in shapes.items()
    )
    return Artifact(
        name="onnxruntime-fp32",
        runtime="onnxruntime",
        precision="fp32",
        files=(folder / "detector.onnx",),
        inputs=(given,),
        outputs=tuple(made),
    )


def detector_bundle(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Its bundle, and the decoder in it."""
    decoder = BoxDecoder(head="dfl", bins=4, strides=(8.0, 16.0), size=SHAPE[1:])
    how = described(TaskSpec(kind="detection", decoder=decoder)) or {}
    bundle = write_bundle(
        folder / "b",
        [detector(folder)],
        preprocess=[STEPS],
        task="detection",
        labels=["red", "white", "blue"],
        reads=["boxes", "scores"],
        decoder=how,
    )
    return bundle, how


@pytest.mark.skipif(not (BROWSER and NPM), reason="needs chromium and npm")
def test_a_page_finds_the_boxes_of_a_picture(tmp_path: Path, package: Package) -> None:
    """In the pictures' own pixels, letterboxed on the way in."""
    import onnxruntime

    bundle, how = detector_bundle(tmp_path)
    draw = np.random.default_rng(1)
    names = [f"{number}.png" for number in range(8)]
    for number, name in enumerate(names):
        values = draw.integers(0, 256, (20 + 5 * number, 40, 3)).astype(np.uint8)
        Image.fromarray(values).save(tmp_path / name)
    given = [f"files/{name}" for name in names]
    found = visited(package(bundle), given, runtime="onnxruntime", files=tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "detector.onnx")
    total = 0
    for name, one in zip(names, found, strict=True):
        content = (tmp_path / name).read_bytes()
        parts = session.run(None, {"x": decode(content, name, SHAPE, STEPS)})
        want = detections(np.concatenate(parts, -1)[0], how)
        with Image.open(tmp_path / name) as picture:
            place = placement(picture.size, SHAPE[1:], "letterbox")
        corners = [place.back(box) for box in want.boxes]
        assert [box["index"] for box in one["boxes"]] == want.classes.tolist()
        assert {box["label"] for box in one["boxes"]} <= {"red", "white", "blue"}
        for box, expected in zip(one["boxes"], corners, strict=True):
            np.testing.assert_allclose(box["box"], expected, rtol=0, atol=1e-3)
        total += len(corners)
    assert total > 8
