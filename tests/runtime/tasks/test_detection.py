"""A detector with distributions of sides: from photographs with boxes to files and their mAP."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgekit.config.resources import shipped
from edgekit.errors import DataError
from tests.runtime.tasks.whole import built

pytestmark = pytest.mark.usefixtures("brief")
SOURCE = shipped("examples/detect")
PROJECT = """
[model]
source = "model.py:build"
weights = "teacher.safetensors"
input = { shape = [3, 128, 160] }
[data]
train = "data/train"
test = "data/test"
[data.preprocess]
fit = "letterbox"
[task]
kind = "detection"
boxes = "boxes"
scores = "scores"
metric = "map-50"
decoder = { head = "dfl", bins = 8 }
loss = "loss.py:loss"
[budget]
mmacs = 40
[recipe.prune]
cost_provenance = "estimated"
[recipe.distill]
epochs = 1
batch_size = 8
augment = "scale-flip"
[recipe.export]
runtimes = ["onnxruntime"]
precisions = ["fp32", "int8"]
[recipe.bench]
runtime_options_s = 0
"""


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example with a few of its photographs."""
    for name in ("model.py", "loss.py", "teacher.safetensors"):
        shutil.copy(SOURCE / name, tmp_path)
    for part, count in (("train", 24), ("test", 12)):
        folder = tmp_path / "data" / part
        folder.mkdir(parents=True)
        content = json.loads((SOURCE / "data" / part / "annotations.json").read_text())
        kept = content["images"][:count]
        numbers = {one["id"] for one in kept}
        of_them = [a for a in content["annotations"] if a["image_id"] in numbers]
        content |= {"images": kept, "annotations": of_them}
        (folder / "annotations.json").write_text(json.dumps(content))
        for one in kept:
            shutil.copy(SOURCE / "data" / part / one["file_name"], folder)
    (tmp_path / "edgekit.toml").write_text(PROJECT)
    return tmp_path


@pytest.mark.slow
def test_a_detector_is_built_whole_and_int8_keeps_its_boxes_and_scores(
    example: Path,
) -> None:
    pytest.importorskip("faster_coco_eval")
    report = built(example)
    assert report.teacher.evaluation.value > 0.4
    assert report.student.macs < 40e6 < report.teacher.macs
    found = {one.artifact.precision: one for one in report.candidates}
    assert {one.evaluation.metric for one in found.values()} == {"mAP50"}
    assert found["fp32"].parity.relative_error < 1e-3
    near = found["fp32"].evaluation.value - found["int8"].evaluation.value
    assert near < 0.05
    contract = json.loads((example / "bundle" / "manifest.json").read_text())[
        "contract"
    ]
    assert contract["labels"] == ["Platelets", "RBC", "WBC"]
    assert contract["decoder"]["head"] == "dfl"
    assert contract["decoder"]["size"] == [128, 160]
    for picture in report.pictures:
        names = [drawn.name for drawn in picture.drawn]
        assert names[:3] == ["the data", "the network", "the student"]
        assert names[3] in {one.artifact.name for one in report.candidates}


def test_annotations_that_do_not_fit_are_one_line(example: Path) -> None:
    file = example / "data" / "test" / "annotations.json"
    content = json.loads(file.read_text())
    content["annotations"][0]["bbox"] = [150, 100, 40, 10]
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match="is not within 160 x 120 pixels"):
        built(example)
    assert not (example / "bundle").exists()
