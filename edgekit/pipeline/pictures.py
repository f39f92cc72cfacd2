"""A few samples of a detector for the report: what data, networks and file see in them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from edgekit.agent.serving.boxes import Detections
from edgekit.config.project import Project
from edgekit.data import Dataset
from edgekit.data.metrics import decoder_of
from edgekit.data.preprocess import Array
from edgekit.evaluate.accuracy import predict
from edgekit.evaluate.run import infer
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.proof import Proof
from edgekit.types import BoxPicture, DrawnBox, DrawnBoxes, Report

_SAMPLES = 4
_QUALITY = 80


def with_pictures(
    report: Report, project: Project, env: Environment, loaded: Loaded, proof: Proof
) -> Report:
    """The report with pictures of samples, where the task has boxes and samples are images."""
    decode = decoder_of(project.task, project.root)
    test = loaded.samples.test
    if decode is None or not test.boxed or len(test.columns) != 1:
        return report
    few = test.subset(np.unique(np.linspace(0, len(test) - 1, _SAMPLES).astype(int)))
    images = [*_images(few)]
    if not images:
        return report
    drawn = [_marked(few)]
    least = (
        0.0 if project.task.box_decoder is None else project.task.box_decoder.confidence
    )
    for name, outputs in _outputs(few, env, loaded, proof):
        drawn.append(
            (name, [_drawn(one, few.labels, least) for one in decode(outputs)])
        )
    pictures = tuple(
        replace(
            image,
            drawn=tuple(
                DrawnBoxes(name=name, boxes=each[number]) for name, each in drawn
            ),
        )
        for number, image in enumerate(images)
    )
    return replace(report, pictures=pictures)


def _images(few: Dataset) -> Iterator[BoxPicture]:
    """The samples as they lie in the network's input, without boxes; none of other samples."""
    (column,) = few.columns
    raw = column.samples.raw(few.numbers)
    if raw.dtype != np.uint8 or raw.ndim != 4 or raw.shape[1] not in (1, 3):
        return
    turned = column.preprocess.color == "bgr"
    for values in raw[:, ::-1] if turned else raw:
        yield _picture(values)


def _picture(values: Array) -> BoxPicture:
    """An image (channels, height, width) as a JPEG."""
    pixels = values.transpose(1, 2, 0)
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    content = io.BytesIO()
    image.save(content, "JPEG", quality=_QUALITY)
    encoded = base64.b64encode(content.getvalue()).decode()
    return BoxPicture(jpeg=encoded, width=image.width, height=image.height)


def _outputs(
    few: Dataset, env: Environment, loaded: Loaded, proof: Proof
) -> Iterator[tuple[str, Array]]:
    """Outputs of the networks and of the chosen file, by name."""
    yield "the network", predict(loaded.teacher, few)
    yield "the student", predict(proof.student, few)
    chosen = proof.timed.chosen
    if chosen is not None:
        feeds, _ = few.feeds()
        reads = loaded.teacher.reads
        yield chosen.artifact.name, infer(chosen.artifact, feeds, env.device, reads)


def _marked(few: Dataset) -> tuple[str, list[tuple[DrawnBox, ...]]]:
    """The boxes of the data."""
    return "the data", [
        tuple(_box(row[:4], few.labels, int(row[4])) for row in rows[rows[:, 4] >= 0])
        for rows in few.targets
    ]


def _drawn(
    found: Detections, labels: Sequence[str], least: float
) -> tuple[DrawnBox, ...]:
    return tuple(
        replace(_box(box, labels, int(kind)), score=round(float(score), 3))
        for box, score, kind in zip(*found, strict=True)
        if score >= least
    )


def _box(corners: Array, labels: Sequence[str], kind: int) -> DrawnBox:
    x1, y1, x2, y2 = (round(float(value), 1) for value in corners)
    label = labels[kind] if kind < len(labels) else str(kind)
    return DrawnBox(box=(x1, y1, x2, y2), label=label)
