"""Folders with an entry for each input: images in a folder, or an array in a `.npy` file."""

from __future__ import annotations

from pathlib import Path

from edgekit.data.dataset import Dataset
from edgekit.data.faults import Faults
from edgekit.data.folder import image_files, images_in
from edgekit.data.preprocess import Array
from edgekit.data.request import TARGETS, Request, RequestedInput
from edgekit.data.samples import InMemory, Samples
from edgekit.errors import DataError
from edgekit.safe_io import read_arrays
from edgekit.types.notes import Note


def load(path: Path, request: Request) -> Dataset:
    """`<input>/`, images in the order of their names, or `<input>.npy` for each input; with
    `y.npy`, `labels.npy` or `targets.npy` where there are any."""
    faults = Faults()
    samples: list[Samples] = []
    notes: list[Note] = []
    for each in request.inputs:
        with faults.of(each.spec.name):
            part, found = _entry(path, each, request)
            samples.append(part)
            notes += found
    y = next((p for n in TARGETS if (p := path / f"{n}.npy").is_file()), None)
    values: Array | None = None
    if y is not None:
        with faults.of(y.name):
            values = _array(y)
    faults.refuse(f"parts of {path}")
    return request.labeled(samples, values, str(path), notes=tuple(notes))


def _entry(
    path: Path, one: RequestedInput, request: Request
) -> tuple[Samples, tuple[Note, ...]]:
    """The raw samples of one input."""
    name = one.spec.name
    array = path / f"{name}.npy"
    if array.is_file():
        values, notes = one.arrange(_array(array), str(array))
        return InMemory(values=values), notes
    if not (path / name).is_dir():
        raise DataError(
            f"{path} has neither a folder {name} of images nor {name}.npy, and the network takes "
            f"{', '.join(request.names)}. Add an entry for each."
        )
    return image_files(images_in(path / name, deep=True), one), ()


def _array(path: Path) -> Array:
    fix = "Write it with numpy.save, numbers only."
    values: Array = next(iter(read_arrays(path, DataError, fix=fix).values()))
    return values
