"""Android modules of bundles, compiled and run on a JVM: rows of `results/apps.json`.

    python -m benchmarks.apps_android build/host ...

Kotlin's own compiler takes each module with stubs of LiteRT's published signatures, without a
warning; a JVM runs the module's tests and answers 100 of the bundle's calibration samples, as JPEG
pictures where the network takes pictures, as texts where the bundle has a tokenizer. The model runs
on LiteRT in Python behind a pipe. The answers are compared with the file's own on the same numbers,
from JPEG by Pillow, and from texts by EdgeKit's tokenizer. Nothing here is Gradle or a device: no
latency.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.apps import decoded, samples_of, summary, zipped
from benchmarks.results import Row, Table
from edgekit.agent.arrays import arranged
from edgekit.agent.serving.boxes import overlaps
from edgekit.agent.serving.decode import normalize, pixels, placement
from edgekit.package import contract
from edgekit.package.opened import Bundle, open_bundle
from edgekit.runtimes import mobile
from tests.runtime.package.android.driver import (
    COUNT,
    INTEGERS,
    OF_INTEGERS,
    OF_PICTURE,
    OF_TEXT,
    PICTURE,
    Variant,
    driven,
    made,
    native,
)

NUMBERS = 'row("given", sample)'
OF_NUMBERS = '{name}.INPUTS[0].prepared(row("given", sample))'
SAME_BOX = 0.9
"""Overlap of boxes of pictures that two libraries decoded."""
Array = np.ndarray[Any, Any]


def main() -> None:
    """Write a row for each bundle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", nargs="+", type=Path)
    table = Table("apps", ("package", "runtime", "artifact"), ("numpy",))
    bundles = [open_bundle(folder) for folder in parser.parse_args().bundles]
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        variants = [variant(root / one.name, one) for one in bundles]
        driven(root, variants)
        for bundle, one in zip(bundles, variants, strict=True):
            found = row(bundle, one)
            print(json.dumps(found))
            table.add(found, summary)


def variant(folder: Path, bundle: Bundle) -> Variant:
    """The module of a bundle with its samples beside it."""
    folder.mkdir()
    inputs, texts = given(bundle)
    if texts:
        (folder / "texts").write_text("\x03".join(texts), "utf-8")
        return made(folder, bundle.folder, "text(sample)", OF_TEXT)
    [values] = inputs
    raw = raw_of(values, preprocessing(bundle))
    if not pictured(bundle):
        raw.astype("<f4").tofile(folder / "given")
        integers = values.dtype.kind in "iu"
        calls = (INTEGERS, OF_INTEGERS) if integers else (NUMBERS, OF_NUMBERS)
        return made(folder, bundle.folder, *calls)
    for number, values in enumerate(raw.round().clip(0, 255).astype(np.uint8)):
        colors = values.transpose(1, 2, 0).repeat(2, 0).repeat(2, 1)
        image = Image.fromarray(colors.squeeze(-1) if colors.shape[2] == 1 else colors)
        image.save(folder / f"{number}.jpg", quality=100, subsampling=0)
    return made(folder, bundle.folder, PICTURE, OF_PICTURE)


def given(bundle: Bundle) -> tuple[list[Array], list[str]]:
    """100 samples: inputs (n, ...) and texts, in turns where the bundle has fewer."""
    inputs, texts = samples_of(bundle)
    turns = np.arange(COUNT) % len(inputs[0])
    return [values[turns] for values in inputs], [texts[i] for i in turns if texts]


def row(bundle: Bundle, one: Variant) -> Row:
    """Equality of the JVM's answers with the file's."""
    facts = json.loads((one.folder / "package/contract.json").read_text())
    prepared, found = one.found("prepared"), one.found("classes")
    own = native(one.model, fed(prepared, facts["inputs"]))
    answers = of_file(own, bundle, facts)
    pictures, texts = pictured(bundle), bundle.text is not None
    here = prepared_here(one, bundle) if pictures or texts else prepared
    others = of_file(native(one.model, fed(here, facts["inputs"])), bundle, facts)
    if pictures and facts["decoder"]:
        answers, others = (in_pictures(rows, bundle) for rows in (answers, others))
    rows = found.reshape(COUNT, -1, 6) if facts["decoder"] else found
    same = close if facts["decoder"] else np.array_equal
    return {
        "package": f"android: {bundle.name}",
        "artifact": facts["artifact"],
        "runtime": f"{facts['runtime']}, Kotlin on a JVM",
        "samples": COUNT,
        "agrees": float(np.mean(list(map(same, rows, answers)))),
        "agrees_from_jpeg": float(np.mean(list(map(alike, rows, others))))
        if pictures
        else None,
        "agrees_from_text": float(np.mean(list(map(alike, rows, others))))
        if texts
        else None,
        "max_deviation": float(np.abs(one.found("outputs") - own).max()),
        "p50_ms": None,
        "provenance": "compiled by Kotlin's compiler and run on a JVM, not on Android",
        "download_bytes": zipped([one.model]),
    }


def of_file(outputs: Array, bundle: Bundle, facts: Mapping[str, Any]) -> list[Array]:
    """The class of each sample, or its boxes (boxes, 6), from rows of all outputs."""
    sizes = [int(np.prod(output["shape"])) for output in facts["outputs"]]
    parts = np.split(outputs, np.cumsum(sizes)[:-1], 1)
    if facts["decoder"]:
        return decoded(parts, bundle.manifest["contract"]["decoder"], facts)
    return list(parts[0].argmax(1, keepdims=True))


def in_pictures(answers: Sequence[Array], bundle: Bundle) -> list[Array]:
    """Boxes in pixels of the pictures, which are twice as large as the input."""
    _, height, width = shape_of(bundle)
    place = placement(
        (2 * width, 2 * height), (height, width), preprocessing(bundle)["fit"]
    )
    return [
        np.array([[*place.back(box[:4]), *box[4:]] for box in rows]).reshape(-1, 6)
        for rows in answers
    ]


def close(rows: Array, expected: Array) -> bool:
    """True for the expected boxes, in order, and nothing after them."""
    rest = rows[len(expected) :]
    return bool(
        np.allclose(rows[: len(expected)], expected, atol=0.01) and (rest == -1).all()
    )


def alike(rows: Array, expected: Array) -> bool:
    """True for the same class, or for as many boxes of which each has its like."""
    if rows.ndim == 1:
        return bool(np.array_equal(rows, expected))
    rows = rows[rows[:, 5] >= 0]
    return len(rows) == len(expected) and all(
        (overlaps(box[:4], expected[expected[:, 5] == box[5], :4]) > SAME_BOX).any()
        for box in rows
    )


def prepared_here(one: Variant, bundle: Bundle) -> Array:
    """The pictures as Pillow and EdgeKit prepare them, or the texts' tokens, a row each."""
    if bundle.text is not None:
        return np.concatenate(given(bundle)[0], 1).astype(np.float32)
    how, shape = preprocessing(bundle), shape_of(bundle)
    color = how["color"] or ("gray" if shape[0] == 1 else "rgb")
    rows = []
    for number in range(COUNT):
        with Image.open(one.folder / f"{number}.jpg") as opened:
            raw = pixels(opened, shape, color, how["resize"], how["fit"])
        rows.append(normalize(raw[None], how["scale"], how["mean"], how["std"]).ravel())
    return np.stack(rows)


def fed(prepared: Array, inputs: Sequence[Mapping[str, Any]]) -> list[Array]:
    """Prepared numbers of each input in the order of the file."""
    ends = np.cumsum([np.prod(one["shape"]) for one in inputs])
    return [
        arranged(
            values.reshape(len(prepared), *one["network"]),
            "NHWC" if one["channelsLast"] else None,
        )
        for values, one in zip(np.split(prepared, ends[:-1], 1), inputs, strict=True)
    ]


def preprocessing(bundle: Bundle) -> Mapping[str, Any]:
    """The steps of the only input."""
    return {"fit": "stretch", **bundle.manifest["contract"]["preprocessing"]}


def shape_of(bundle: Bundle) -> Sequence[int]:
    """The input of a sample, channels first."""
    chosen = contract.choose(bundle, None, mobile.known("android"), "on Android")
    [tensor] = contract.facts(bundle, chosen)["inputs"]
    return list(tensor["network"])


def pictured(bundle: Bundle) -> bool:
    """Return whether the network takes pictures."""
    return bundle.text is None and len(shape_of(bundle)) == 3


def raw_of(samples: Array, how: Mapping[str, Any]) -> Array:
    """Values (n, channels, ...) as files have them, of those of training."""
    mean, std = (
        np.asarray(how[step]).reshape(-1, *(1,) * (samples.ndim - 2))
        for step in ("mean", "std")
    )
    return np.asarray((samples * std + mean) * how["scale"])


if __name__ == "__main__":
    main()
