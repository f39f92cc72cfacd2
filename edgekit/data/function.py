"""Samples from a function of the user's: `loader.py:train`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgekit.config.user_code import locate
from edgekit.data.dataset import Dataset
from edgekit.data.request import Request
from edgekit.data.sequence import Origin, read
from edgekit.errors import DataError


def load(reference: str, root: Path, request: Request) -> Dataset:
    """The function's result: a tuple of arrays (x, y), an array x, a sequence (such as a
    `torch.utils.data.Dataset`) of (x, y) or x, or a loader of batches of them. Values are raw:
    preprocessing follows. Texts (see `held_texts`) may be yielded, too."""
    function = locate(reference, root, DataError)
    origin = Origin(
        name=function.name, identity=function.file.read_bytes, running=function.running
    )
    returned = function.call()
    if isinstance(returned, Iterator) and request.text is not None:
        with function.running():
            returned = list(returned)
    if not hasattr(returned, "__len__"):
        raise DataError(
            f"{function.name} returned {type(returned).__name__}. Return arrays (x, y), or a "
            "sequence of (x, y) with a length, such as a torch Dataset."
        )
    return read(returned, request, origin)
