"""Whole outputs of heads against their authors' own decoding, written out in PyTorch.

Each function is the published one, by the names it has there: Ultralytics' `dist2bbox` and
`make_anchors`, YOLOv5's `Detect.forward`, torchvision's `BoxCoder.decode_single` and
`AnchorGenerator`, amdegroot's SSD `decode`, FCOS's `compute_locations`, CenterNet's
`_nms` and `ctdet_decode`. None of them shares a line with ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from edgekit.agent.serving.boxes import HEADS, Head

HEIGHT, WIDTH = 96, 160
STRIDES = (8, 16, 32)
CLASSES = 5
SIZES = [(HEIGHT // stride, WIDTH // stride) for stride in STRIDES]
ANCHORS = (
    ((10.0, 13.0), (16.0, 30.0)),
    ((30.0, 61.0), (62.0, 45.0)),
    ((116.0, 90.0), (156.0, 198.0)),
)


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).double()


def read(head: str, output: Tensor, **more: Any) -> tuple[Tensor, Tensor]:
    """Ours: boxes and scores of all places."""
    how = {"head": head, "size": (HEIGHT, WIDTH), "bins": 8, "strides": STRIDES, **more}
    known: Head = HEADS[head]
    boxes, scores = known.read(output.numpy(), how)
    return torch.from_numpy(np.ascontiguousarray(boxes)), torch.from_numpy(scores)


def maps(channels: int) -> list[Tensor]:
    """The head's convolutions' outputs, a level each: (channels, height, width)."""
    return [draw(channels, *size) + level for level, size in enumerate(SIZES)]


def flat(levels: list[Tensor]) -> Tensor:
    return torch.cat([level.flatten(1).T for level in levels])


def dfl() -> tuple[Any, Any]:
    """ultralytics/utils/tal.py and nn/modules/block.py."""
    bins, levels = 8, maps(4 * 8 + CLASSES)
    points, strides = [], []
    for level, stride in zip(levels, STRIDES, strict=True):
        _, h, w = level.shape
        sx, sy = torch.arange(w).double() + 0.5, torch.arange(h).double() + 0.5
        sy, sx = torch.meshgrid(sy, sx, indexing="ij")
        points.append(torch.stack((sx, sy), -1).view(-1, 2))
        strides.append(torch.full((h * w, 1), float(stride)).double())
    anchor_points, stride_tensor = torch.cat(points).T, torch.cat(strides).T
    x = torch.cat([level.flatten(1) for level in levels], 1)
    box, cls = x.split((4 * bins, CLASSES), 0)
    weight = torch.arange(bins).double().view(1, bins, 1, 1)
    taken = box.view(1, 4, bins, -1).transpose(2, 1).softmax(1)
    distance = F.conv2d(taken, weight).view(4, -1)
    lt, rb = distance.chunk(2, 0)
    boxes = torch.cat((anchor_points - lt, anchor_points + rb)) * stride_tensor
    return read("dfl", flat(levels)), (boxes.T, cls.sigmoid().T)


def yolov5() -> tuple[Any, Any]:
    """yolov5/models/yolo.py."""
    number = 5 + CLASSES
    z, given = [], []
    for level, (stride, anchors) in enumerate(zip(STRIDES, ANCHORS, strict=True)):
        ny, nx = SIZES[level]
        conv = draw(2 * number, ny, nx)
        x = conv.view(1, 2, number, ny, nx).permute(0, 1, 3, 4, 2).contiguous()
        given.append(x.reshape(-1, number))
        yv, xv = torch.meshgrid(
            torch.arange(ny).double(), torch.arange(nx).double(), indexing="ij"
        )
        grid = torch.stack((xv, yv), 2).expand(1, 2, ny, nx, 2) - 0.5
        anchor_grid = torch.tensor(anchors).double().view(1, 2, 1, 1, 2)
        anchor_grid = anchor_grid.expand(1, 2, ny, nx, 2)
        xy, wh, conf = x.sigmoid().split((2, 2, CLASSES + 1), 4)
        xy = (xy * 2 + grid) * stride
        wh = (wh * 2) ** 2 * anchor_grid
        z.append(torch.cat((xy, wh, conf), 4).view(-1, number))
    out = torch.cat(z)
    x, y, w, h = out[:, :4].unbind(1)
    boxes = torch.stack((x - w / 2, y - h / 2, x + w / 2, y + h / 2), 1)
    ours = read("yolov5-anchors", torch.cat(given), anchors=ANCHORS)
    return ours, (boxes, out[:, 5:] * out[:, 4:5])


def shifted(offset: float) -> Tensor:
    """Anchors (x, y, width, height) around each cell of each level, those of a cell together."""
    rows = []
    for (h, w), stride, anchors in zip(SIZES, STRIDES, ANCHORS, strict=True):
        for row in range(h):
            for column in range(w):
                for wide, high in anchors:
                    center = (column + offset) * stride, (row + offset) * stride
                    rows.append((*center, wide, high))
    return torch.tensor(rows).double()


def ssd() -> tuple[Any, Any]:
    """ssd.pytorch/layers/box_utils.py, priors in pixels."""
    priors, variances = shifted(0.5), (0.1, 0.2)
    loc, conf = draw(len(priors), 4), draw(len(priors), CLASSES + 1)
    boxes = torch.cat(
        (
            priors[:, :2] + loc[:, :2] * variances[0] * priors[:, 2:],
            priors[:, 2:] * torch.exp(loc[:, 2:] * variances[1]),
        ),
        1,
    )
    boxes[:, :2] -= boxes[:, 2:] / 2
    boxes[:, 2:] += boxes[:, :2]
    ours = read("ssd", torch.cat([loc, conf], 1), anchors=ANCHORS)
    return ours, (boxes, F.softmax(conf, dim=-1))


def retinanet() -> tuple[Any, Any]:
    """torchvision/models/detection/_utils.py: anchors around the cells' corners."""
    given = shifted(0.0)
    boxes = torch.cat(
        [given[:, :2] - given[:, 2:] / 2, given[:, :2] + given[:, 2:] / 2], 1
    )
    codes, logits = draw(len(given), 4), draw(len(given), CLASSES)
    widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    ctr_x, ctr_y = boxes[:, 0] + 0.5 * widths, boxes[:, 1] + 0.5 * heights
    dx, dy, dw, dh = codes.unbind(1)
    dw, dh = (x.clamp(max=math.log(1000.0 / 16)) for x in (dw, dh))
    pred_ctr_x, pred_ctr_y = dx * widths + ctr_x, dy * heights + ctr_y
    half_w, half_h = torch.exp(dw) * widths * 0.5, torch.exp(dh) * heights * 0.5
    found = torch.stack(
        (
            pred_ctr_x - half_w,
            pred_ctr_y - half_h,
            pred_ctr_x + half_w,
            pred_ctr_y + half_h,
        ),
        1,
    )
    ours = read("retinanet", torch.cat([codes, logits], 1), anchors=ANCHORS)
    return ours, (found, torch.sigmoid(logits))


def fcos() -> tuple[Any, Any]:
    """FCOS/fcos_core/modeling/rpn/fcos: locations, and distances times the stride."""
    levels = maps(4 + 1 + CLASSES)
    boxes, scores = [], []
    for level, stride in zip(levels, STRIDES, strict=True):
        _, h, w = level.shape
        shifts_x = torch.arange(0, w * stride, step=stride).double()
        shifts_y = torch.arange(0, h * stride, step=stride).double()
        shift_y, shift_x = torch.meshgrid(shifts_y, shifts_x, indexing="ij")
        locations = (
            torch.stack((shift_x.reshape(-1), shift_y.reshape(-1)), 1) + stride // 2
        )
        reg = (F.relu(level[:4]) * stride).permute(1, 2, 0).reshape(-1, 4)
        ctr = level[4].reshape(-1).sigmoid()
        cls = level[5:].permute(1, 2, 0).reshape(-1, CLASSES).sigmoid()
        boxes.append(
            torch.stack(
                [
                    locations[:, 0] - reg[:, 0],
                    locations[:, 1] - reg[:, 1],
                    locations[:, 0] + reg[:, 2],
                    locations[:, 1] + reg[:, 3],
                ],
                1,
            )
        )
        scores.append(torch.sqrt(cls * ctr[:, None]))
    return read("fcos", flat(levels)), (torch.cat(boxes), torch.cat(scores))


def centernet() -> tuple[Any, Any]:
    """CenterNet/src/lib/models/decode.py, at stride 4."""
    h, w = HEIGHT // 4, WIDTH // 4
    heat, wh, reg = draw(CLASSES, h, w), draw(2, h, w).abs() * 3, draw(2, h, w).abs()
    hm = torch.sigmoid(heat)[None]
    hmax = F.max_pool2d(hm, (3, 3), stride=1, padding=1)
    kept = (hm * (hmax == hm).double())[0]
    ys, xs = torch.meshgrid(
        torch.arange(h).double(), torch.arange(w).double(), indexing="ij"
    )
    xs, ys = xs + reg[0], ys + reg[1]
    bboxes = 4 * torch.stack(
        [xs - wh[0] / 2, ys - wh[1] / 2, xs + wh[0] / 2, ys + wh[1] / 2], -1
    )
    output = torch.cat([wh, reg, heat]).flatten(1).T
    ours = read("centernet", output, strides=(4,))
    return ours, (bboxes.reshape(-1, 4), kept.flatten(1).T)


def exported() -> tuple[Any, Any]:
    """ultralytics/utils/ops.py: `xywh2xyxy` of what YOLOv8 and YOLO11 export."""
    x = torch.cat([draw(40, 4).abs() * 30, draw(40, CLASSES).sigmoid()], 1)
    y = torch.empty_like(x[:, :4])
    xy, wh = x[:, :2], x[:, 2:4] / 2
    y[:, :2], y[:, 2:] = xy - wh, xy + wh
    for head in ("yolov8", "yolo11"):
        torch.testing.assert_close(read(head, x)[0], y)
    return read("yolo11", x), (y, x[:, 4:])


@pytest.mark.parametrize(
    "author", [dfl, yolov5, ssd, retinanet, fcos, centernet, exported]
)
def test_a_head_is_decoded_as_its_authors_do(
    author: Callable[[], tuple[Any, Any]],
) -> None:
    ours, theirs = author()
    for mine, expected in zip(ours, theirs, strict=True):
        assert mine.shape == expected.shape
        torch.testing.assert_close(
            mine.double(), expected.double(), rtol=1e-6, atol=1e-6
        )
