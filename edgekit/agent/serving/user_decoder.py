"""Boxes and masks by a function of the author's, which a bundle brings as Python.

Nothing of it runs unasked: `infer` and `serve` need `--allow-code`. The function takes one
sample's output as an array and needs NumPy alone; the host's metrics read what it returns by the
same lines.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from ..errors import FILES, INFERENCE_FAILED, OUTPUT_NOT_FINITE, AgentError

Array = np.ndarray[Any, Any]
_MODULE = "_edgekit_decoder"
_HALF = 0.5
_PARTS = ("boxes (found, 4)", "scores (found,)", "classes (found,)")
_MASKS = "masks (found, height, width)"


class Decoded(NamedTuple):
    """Boxes of one sample, the highest score first on the device."""

    boxes: Array  # (found, 4): x1, y1, x2, y2 in pixels of the input
    scores: Array  # (found,), from 0 to 1
    classes: Array  # (found,)
    masks: Array | None = None  # (found, height, width), boolean


class WrongAnswer(ValueError):
    """A function that returns something else than boxes, with a line that explains it."""


class UserDecoder:
    """The function of a bundle's `decoder_code`, loaded: its file is run here.

    Raises `files` where the file is not that of the description, `inference_failed` for a fault
    of the author's code.
    """

    def __init__(self, folder: Path, code: Mapping[str, Any]) -> None:
        self._how = code
        self._file = folder / code["file"]
        self.name = f"{code['file']}:{code['function']}"
        module = ModuleType(_MODULE)
        module.__file__ = str(self._file)
        sys.modules[_MODULE] = module  # dataclasses look their module up
        content = _content(self._file, code["sha256"])
        self._guarded(
            lambda: exec(compile(content, str(self._file), "exec"), vars(module))
        )
        self._run = self._guarded(lambda: getattr(module, code["function"]))

    def find(self, output: Array) -> Decoded:
        """Boxes in one sample's output, by decreasing score: those at least as sure as
        `confidence`, and at most `most`. Raises `inference_failed`."""
        masks = bool(self._how["masks"])
        found = self._guarded(lambda: read(self._run, output, self.name, masks=masks))
        if not (np.isfinite(found.boxes).all() and np.isfinite(found.scores).all()):
            message = f"{self.name} returned a number that is not finite."
            raise AgentError(OUTPUT_NOT_FINITE, message)
        order = np.argsort(-found.scores, kind="stable")
        order = order[found.scores[order] >= self._how["confidence"]]
        order = order[: self._how["most"]]
        boxes, scores, classes = (part[order] for part in found[:3])
        drawn = None if found.masks is None else found.masks[order]
        return Decoded(boxes, scores, classes, drawn)

    def _guarded(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except WrongAnswer as error:
            raise AgentError(INFERENCE_FAILED, str(error)) from error
        except (Exception, SystemExit) as error:
            frames = traceback.extract_tb(error.__traceback__)
            own = [one.lineno for one in frames if one.filename == str(self._file)]
            line = f":{own[-1]}" if own else ""
            raise AgentError(
                INFERENCE_FAILED,
                f"{self._file.name}{line}: {type(error).__name__}: {error}",
            ) from error


def read(
    run: Callable[[Array], Any], output: Array, name: str, *, masks: bool
) -> Decoded:
    """Boxes that a function of the user's called `name` finds in one sample's output.

    It returns boxes, masks where there are any, scores and classes, as many of each. Masks are
    true, or above one half, where the thing is. Raises `WrongAnswer` for anything else.
    """
    parts = (_PARTS[0], _MASKS, *_PARTS[1:]) if masks else _PARTS
    found = _arrays(run(output), name, parts)
    boxes, *drawn, scores, classes = found
    if not masks:
        return Decoded(boxes, scores.ravel(), classes.ravel())
    if drawn[0].ndim != _MASKS.count(",") + 1:
        raise WrongAnswer(
            f"{name} returned masks of shape {list(drawn[0].shape)}. Return {_MASKS}."
        )
    whole = drawn[0] if drawn[0].dtype == bool else drawn[0] > _HALF
    return Decoded(boxes, scores.ravel(), classes.ravel(), whole)


def run_lengths(mask: Array) -> dict[str, Any]:
    """A mask (height, width) as COCO's uncompressed run lengths, column by column, the first of
    zeros."""
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    first = [0] if flat.size and flat[0] else []
    counts = np.diff([0, *edges.tolist(), flat.size]).tolist()
    return {"size": list(mask.shape), "counts": [*first, *counts]}


def _arrays(returned: Any, name: str, parts: Sequence[str]) -> list[Array]:
    """The arrays that a user's function returned, one of each of the `parts`, equally long."""
    titles = [part.partition(" ")[0] for part in parts]
    try:
        found = [np.asarray(part) for part in returned]
        if len(found) != len(parts):
            raise ValueError(f"{len(found)} parts")
        found[0] = found[0].reshape(-1, 4)
        counts = [len(part) for part in found]
    except (TypeError, ValueError) as error:
        raise WrongAnswer(
            f"{name} returned no {_listed(parts)} ({error}). Return a tuple of these."
        ) from error
    if len({*counts}) > 1:
        raise WrongAnswer(
            f"{name} returned {_listed(titles)} of different numbers: "
            f"{', '.join(map(str, counts))}."
        )
    return found


def _listed(parts: Sequence[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _content(file: Path, sha256: str) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise AgentError(FILES, f"Cannot read {file} ({error.strerror}).") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise AgentError(FILES, f"{file} is not the file of the bundle's description.")
    return content
