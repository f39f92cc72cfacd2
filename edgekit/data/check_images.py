"""Every file of a data set of images looked at at once, before anything is computed from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgekit.data.dataset import Dataset
from edgekit.data.faults import listed
from edgekit.data.samples import Images
from edgekit.errors import DataError
from edgekit.types.data_notes import ImagesConverted, ImagesStretched
from edgekit.types.notes import Note

_ALPHA = ("LA", "PA", "RGBA", "RGBa", "La")
_INKS = ("CMYK", "YCbCr", "LAB", "HSV")


def check_images(datasets: Sequence[Dataset]) -> None:
    """Raise `DataError` that names the images of all `datasets` that cannot be read."""
    faults = [
        fault
        for images in dict.fromkeys(one for each in datasets for one in _images(each))
        for fault in images.faults()
    ]
    if not faults:
        return
    what = "the image" if len(faults) == 1 else f"{len(faults)} images:"
    raise DataError(
        f"Cannot read {what} {listed(faults)}. Replace or remove "
        f"{'it' if len(faults) == 1 else 'them'}."
    )


def image_notes(dataset: Dataset, place: str) -> Iterator[Note]:
    """Changes to the images of `place`, the data set's name, on the way to the network."""
    for images in _images(dataset):
        forms = images.forms()
        size = images.shape[1:]
        others = {form: n for form, n in forms.items() if form.size != size}
        if others and images.fit == "stretch":
            sizes = sorted({form.size for form in others})
            yield ImagesStretched(
                place=place,
                images=sum(others.values()),
                of=len(images),
                smallest=sizes[0],
                largest=sizes[-1],
                size=size,
            )
        changed = [mode for mode in (*_ALPHA, *_INKS) for f in forms if f.mode == mode]
        for mode in dict.fromkeys(changed):
            yield ImagesConverted(
                place=place,
                images=sum(n for form, n in forms.items() if form.mode == mode),
                of=len(images),
                mode=mode,
                color=images.color,
            )


def _images(dataset: Dataset) -> list[Images]:
    held = (column.samples for column in dataset.columns)
    return [each for each in held if isinstance(each, Images)]
