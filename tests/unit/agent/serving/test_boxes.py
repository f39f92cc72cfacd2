"""Decoders of detectors' heads, by the arithmetic of their papers."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from edgekit.agent.errors import AgentError
from edgekit.agent.serving.boxes import HEADS, Detections, best, detections, overlaps

LOUD, QUIET = 9.0, -9.0
"""Logits of something and of nothing."""


def how(head: str, **changes: Any) -> dict[str, Any]:
    given = {"head": head, "confidence": 0.5, "overlap": 0.5, "most": 10, "bins": 4}
    return given | changes


def near(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def one(output: np.ndarray, given: dict[str, Any]) -> tuple[list[float], float, int]:
    """The only box, its score and its class."""
    found = detections(output.astype(np.float32), given)
    assert len(found.scores) == 1
    return found.boxes[0].tolist(), float(found.scores[0]), int(found.classes[0])


def test_corners_and_centers_with_given_probabilities() -> None:
    box, score, kind = one(np.array([[1, 2, 5, 8, 0.1, 0.9]]), how("boxes"))
    assert (box, score, kind) == ([1, 2, 5, 8], pytest.approx(0.9), 1)
    given = np.array([[10, 20, 4, 6, 0.1, 0.9]])
    assert one(given.T, how("yolov8"))[0] == [8, 17, 12, 23]
    box, score, kind = one(np.array([[10, 20, 4, 6, 0.8, 0.1, 0.9]]), how("yolov5"))
    assert (box, score, kind) == ([8, 17, 12, 23], pytest.approx(0.72), 1)
    box, score, kind = one(np.array([[1, 2, 5, 8, 0.7, 3]]), how("yolov10"))
    assert (box, score, kind) == ([1, 2, 5, 8], pytest.approx(0.7), 3)
    fractions = np.array([[0.1, 0.2, 0.5, 0.8, 0.9, 0.1]])
    box, _, kind = one(
        fractions[:, [0, 1, 2, 3, 5, 4]],
        how("box-fractions", size=[100, 200], background=0),
    )
    assert box == pytest.approx([20, 20, 100, 80]) and kind == 0


def test_distributions_over_bins_are_distances_in_strides() -> None:
    """32 x 32 pixels at strides 8 and 16: 16 places, then 4."""
    output = np.full((20, 16 + 2), QUIET)
    place = 16 + 3  # row 1, column 1 of the second level: center 24, 24
    output[place, [0, 4 + 1, 8 + 1, 12]] = 50.0  # 0, 1, 1 and 0 strides
    output[place, 16 + 1] = LOUD
    box, score, kind = one(output, how("dfl", strides=[8, 16]))
    assert box == pytest.approx([24, 8, 40, 24])
    assert (score, kind) == (pytest.approx(near(LOUD)), 1)
    output[place, :4] = 0.0  # all bins alike: 1.5 strides
    assert one(output, how("dfl", strides=[8, 16]))[0][0] == pytest.approx(24 - 24)


def test_an_input_that_is_no_square_needs_its_size() -> None:
    output = np.full((8, 17), QUIET)  # 16 x 32 pixels at stride 8
    output[7, 16] = LOUD
    box = one(output, how("dfl", strides=[8], size=[16, 32]))[0]
    assert box == pytest.approx([28 - 12, 12 - 12, 28 + 12, 12 + 12])
    with pytest.raises(AgentError, match="8 places, which no square input has"):
        detections(output, how("dfl", strides=[8]))
    with pytest.raises(AgentError, match="8 places where 16 x 16 pixels have 4"):
        detections(output, how("dfl", strides=[8], size=[16, 16]))


def test_offsets_to_anchors_of_yolov5() -> None:
    """Level, anchor, row, column; x = (2s - 0.5 + column) stride, w = (2s)^2 anchor."""
    anchors = [[[10, 20], [30, 40]]]
    output = np.full((8, 6), QUIET)
    tx, tw = 0.3, -0.2
    output[4 + 1] = [tx, 0, tw, 0, LOUD, LOUD]  # second anchor, row 0, column 1
    box, score, _ = one(output, how("yolov5-anchors", strides=[8], anchors=anchors))
    x = (2 * near(tx) - 0.5 + 1) * 8
    y = (2 * 0.5 - 0.5 + 0) * 8
    w, h = (2 * near(tw)) ** 2 * 30, (2 * 0.5) ** 2 * 40
    assert box == pytest.approx([x - w / 2, y - h / 2, x + w / 2, y + h / 2], rel=1e-5)
    assert score == pytest.approx(near(LOUD) ** 2)
    with pytest.raises(AgentError, match="1 lists of anchors for 3 strides"):
        detections(output, how("yolov5-anchors", anchors=anchors))


def test_offsets_to_default_boxes_of_ssd() -> None:
    """Variances 0.1 and 0.2, a background, anchors of a cell after one another."""
    output = np.zeros((8, 4 + 3))
    output[:, 4] = LOUD
    output[3] = [1, -2, 0.5, 0, 0, 0, LOUD]  # row 0, column 1, second anchor
    box, score, kind = one(
        output, how("ssd", strides=[16], anchors=[[[8, 8], [12, 6]]])
    )
    x, y = 24 + 0.1 * 1 * 12, 8 - 0.1 * 2 * 6
    w, h = 12 * math.exp(0.2 * 0.5), 6
    assert box == pytest.approx([x - w / 2, y - h / 2, x + w / 2, y + h / 2], rel=1e-5)
    assert kind == 1
    assert score == pytest.approx(math.exp(LOUD) / (math.exp(LOUD) + 2), rel=1e-4)


def test_offsets_to_anchors_of_retinanet() -> None:
    output = np.full((4, 4 + 2), QUIET)
    output[3] = [0.5, 0, math.log(2), 0, QUIET, LOUD]
    box, _, kind = one(output, how("retinanet", strides=[8], anchors=[[[10, 20]]]))
    assert box == pytest.approx([13 - 10, 8 - 10, 13 + 10, 8 + 10], rel=1e-5)
    assert kind == 1


def test_distances_and_centerness_of_fcos() -> None:
    output = np.full((4, 4 + 1 + 2), QUIET)
    output[2] = [1, 0.5, 2, 0, 1.0, LOUD, QUIET]
    box, score, _ = one(output, how("fcos", strides=[8]))
    assert box == pytest.approx([4 - 8, 12 - 4, 4 + 16, 12])
    assert score == pytest.approx(math.sqrt(near(1.0) * near(LOUD)), rel=1e-5)


def test_peaks_of_centernet() -> None:
    output = np.full((16, 4 + 1), QUIET)
    output[5] = [2, 1, 0.25, 0.5, LOUD]  # row 1, column 1
    output[6] = [2, 1, 0.0, 0.0, LOUD - 1]  # beside the peak
    box, _, _ = one(output, how("centernet"))
    assert box == pytest.approx([5 - 4, 6 - 2, 5 + 4, 6 + 2])


def test_detr_as_transformers_reads_it() -> None:
    transformers = pytest.importorskip("transformers.models.detr")
    torch.manual_seed(0)
    logits, boxes = torch.randn(1, 12, 5) * 4, torch.rand(1, 12, 4)
    outputs = SimpleNamespace(logits=logits, pred_boxes=boxes)
    processor = transformers.DetrImageProcessorPil()
    (expected,) = processor.post_process_object_detection(
        outputs, threshold=0.5, target_sizes=[(60, 80)]
    )
    given = torch.cat([boxes, logits], 2)[0].numpy()
    found = detections(given, how("detr", size=[60, 80], most=20))
    order = expected["scores"].argsort(descending=True)
    assert len(order) > 2
    for mine, theirs in zip(found, ("boxes", "scores", "labels"), strict=True):
        np.testing.assert_allclose(mine, expected[theirs][order], rtol=1e-4)
    with pytest.raises(AgentError, match="no size of the input"):
        detections(given, how("detr"))


def test_rtdetr_as_transformers_reads_it() -> None:
    transformers = pytest.importorskip("transformers.models.rt_detr")
    torch.manual_seed(0)
    logits, boxes = torch.randn(1, 12, 5) * 2, torch.rand(1, 12, 4)
    outputs = SimpleNamespace(logits=logits, pred_boxes=boxes)
    processor = transformers.RTDetrImageProcessorPil()
    (expected,) = processor.post_process_object_detection(
        outputs, threshold=0.8, target_sizes=[(60, 80)]
    )
    given = torch.cat([boxes, logits], 2)[0].numpy()
    found = detections(given, how("rtdetr", size=[60, 80], most=12), confidence=0.8)
    assert len(found.scores) > 2
    for mine, theirs in zip(found, ("boxes", "scores", "labels"), strict=True):
        np.testing.assert_allclose(mine, expected[theirs], rtol=1e-4)


def test_of_overlapping_boxes_of_a_class_the_best_remains() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [20, 0, 30, 10]])
    found = Detections(boxes, np.array([0.6, 0.9, 0.8, 0.7]), np.array([0, 0, 1, 0]))
    assert overlaps(boxes[0], boxes).tolist() == pytest.approx([1, 90 / 110, 1, 0])
    assert best(found, 0.5, 10).scores.tolist() == [0.9, 0.8, 0.7]
    assert best(found, 0.9, 10).scores.tolist() == [0.9, 0.8, 0.7, 0.6]
    assert best(found, 0.5, 2).scores.tolist() == [0.9, 0.8]


def test_suppression_is_that_of_a_runtime() -> None:
    """ONNX Runtime's operator, for boxes of one class at a time."""
    onnxruntime = pytest.importorskip("onnxruntime")
    helper = pytest.importorskip("onnx.helper")
    kinds = {"boxes": 1, "scores": 1, "most": 7, "overlap": 1}
    graph = helper.make_graph(
        [helper.make_node("NonMaxSuppression", list(kinds), ["kept"])],
        "nms",
        [helper.make_tensor_value_info(name, t, None) for name, t in kinds.items()],
        [helper.make_tensor_value_info("kept", 7, None)],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    chance = np.random.default_rng(0)
    corner = chance.uniform(0, 50, (80, 2))
    boxes = np.concatenate([corner, corner + chance.uniform(5, 30, (80, 2))], 1)
    boxes, scores = boxes.astype(np.float32), chance.random(80).astype(np.float32)
    (kept,) = session.run(
        None,
        {
            "boxes": boxes[None],
            "scores": scores[None, None],
            "most": np.array([20]),
            "overlap": np.array([0.4], np.float32),
        },
    )
    found = best(Detections(boxes, scores, np.zeros(80, int)), 0.4, 20)
    np.testing.assert_array_equal(found.scores, scores[kept[:, 2]])
    assert 5 < len(kept) < 80


@pytest.mark.parametrize("head", HEADS)
def test_outputs_of_another_form_are_refused(head: str) -> None:
    with pytest.raises(
        AgentError, match=f"The decoder '{head}' has an output of shape"
    ):
        detections(np.zeros((3, 3), np.float32), how(head))
