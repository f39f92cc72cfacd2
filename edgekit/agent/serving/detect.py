"""Boxes, and masks where there are any, as `infer` and `serve` return them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import of_network
from ..errors import INFERENCE_FAILED, AgentError
from .boxes import detections
from .decode import Array, Placement
from .model import ServedModel
from .user_decoder import Decoded, run_lengths


def detected(
    served: ServedModel, outputs: Sequence[Array], where: Placement | None = None
) -> list[dict[str, Any]]:
    """Boxes that a model's decoder finds in its outputs in real numbers, the surest first.

    In pixels of the input, or of the image that lies in it as `where` has it. A mask is COCO's
    uncompressed run lengths.
    """
    labels = served.description["labels"] or ()
    found = _found(served, outputs)
    if where is not None and found.masks is not None:
        _check_size(served, found.masks)
    answers = []
    for number, (box, score, kind) in enumerate(zip(*found[:3])):
        place = box.tolist()
        answer: dict[str, Any] = {
            "label": labels[int(kind)] if 0 <= kind < len(labels) else str(int(kind)),
            "score": float(score),
            "box": place if where is None else where.back(place),
        }
        if found.masks is not None:
            mask = found.masks[number]
            answer["mask"] = run_lengths(mask if where is None else where.mask(mask))
        answers.append(answer)
    return answers


def _check_size(served: ServedModel, masks: Array) -> None:
    """Raise `inference_failed` for masks that are not of the input's height and width."""
    size = of_network(served.inputs[0].shape[1:], served.layouts[0])[1:]
    if len(masks) and masks.shape[1:] != tuple(size):
        raise AgentError(
            INFERENCE_FAILED,
            f"The decoder returned masks of {list(masks.shape[1:])} pixels, and the input has "
            f"{list(size)}.",
        )


def _found(served: ServedModel, outputs: Sequence[Array]) -> Decoded:
    parts = [outputs[number] for number in served.located or (0,)]
    if served.user_decoder is not None and len(parts) == 1:
        return served.user_decoder.find(parts[0][0])
    rows = [part[0] if part.ndim > 2 else part.T for part in parts]
    joined = np.concatenate(rows, -1)
    if served.user_decoder is not None:
        return served.user_decoder.find(joined)
    return Decoded(*detections(joined, served.decoder or {}))
