"""Samples for an application's tests, with what the bundle's file gives for them here."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from edgekit.agent.arrays import arranged
from edgekit.agent.serving.boxes import detections
from edgekit.agent.serving.decode import Array, normalize, pixels
from edgekit.agent.serving.encode import TextEncoder
from edgekit.devices.local import LocalDevice
from edgekit.evaluate.run import run_on
from edgekit.package.contract import Chosen
from edgekit.package.opened import Bundle
from edgekit.types import Artifact, Quantization, TensorSpec

SAMPLES = 3
_TEXTS = (
    "It was good, and not too long!",
    "",
    "Déjà vu: THE film's 2nd half (日本) was very, very bad\tbut [SEP] short.",
)
_MORE = 1.5
"""A picture's sides over those of the input."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture with what it becomes before the model."""

    png: bytes
    width: int
    height: int
    argb: Array
    """Pixels as 0xAARRGGBB, row by row."""
    input: int
    """The place of the input that it is for."""
    prepared: Array


@dataclass(frozen=True, kw_only=True)
class Fixtures:
    """Samples; the numbers of each have their channels first."""

    texts: Sequence[Sequence[str]]
    raw: Sequence[Array]
    """(n, numbers) for each input; of texts, the tokens."""
    prepared: Sequence[Array]
    outputs: Sequence[Array]
    """(n, numbers) for each output, in real numbers."""
    answers: Array
    """(n, places): the likeliest class of the sample, of each place, or of each box; of a detector
    with a decoder x1, y1, x2, y2, score and class of each box in `drawn`, and -1 for none."""
    picture: Picture | None
    drawn: Sequence[Array] = ()
    """(n, numbers) for each output of a detector, drawn so that they hold boxes; else none."""


def made(bundle: Bundle, chosen: Chosen[Any], contract: Mapping[str, Any]) -> Fixtures:
    """The samples, run through the file; raises `RuntimeMissing` without its runtime."""
    texts = _texts(contract)
    raw = _tokens(bundle, contract, texts) if texts else _raw(contract["inputs"])
    pairs = list(zip(raw, contract["inputs"], strict=True))
    prepared = [_prepared(values, one) for values, one in pairs]
    artifact = artifact_of(chosen)
    feeds = [
        arranged(values.reshape(-1, *one["network"]), spec.layout)
        for values, one, spec in zip(
            prepared, contract["inputs"], artifact.inputs, strict=True
        )
    ]
    found = run_on(LocalDevice(), artifact, feeds).real(artifact.outputs)
    how = bundle.manifest["contract"].get("decoder")
    drawn = [] if how is None else _drawn(found, contract["decoder"]["scores"])
    return Fixtures(
        texts=texts,
        raw=raw,
        prepared=prepared,
        outputs=[values.reshape(SAMPLES, -1) for values in found],
        drawn=[values.reshape(SAMPLES, -1) for values in drawn],
        answers=_boxes(contract, how, drawn) if drawn else _answers(contract, found),
        picture=_picture(contract["inputs"]),
    )


def _texts(contract: Mapping[str, Any]) -> Sequence[Sequence[str]]:
    text = contract["text"]
    if text is None:
        return []
    return [(one, _TEXTS[0]) if text["pair"] else (one,) for one in _TEXTS]


def _tokens(
    bundle: Bundle, contract: Mapping[str, Any], texts: Sequence[Sequence[str]]
) -> list[Array]:
    content = (bundle.folder / contract["text"]["tokenizer"]).read_text("utf-8")
    given = [tuple(one) if len(one) > 1 else one[0] for one in texts]
    rows = TextEncoder(content, contract["text"]).encode(given)  # type: ignore[arg-type]
    return [rows[one["name"]].astype(np.float32) for one in contract["inputs"]]


def _raw(inputs: Sequence[Mapping[str, Any]]) -> list[Array]:
    """Numbers as samples have them: bytes for pictures and whole types, else as in training."""
    draw = np.random.default_rng(0)
    found = []
    for one in inputs:
        shape = (SAMPLES, math.prod(one["network"]))
        how = one["preprocessing"] or {"scale": 1.0, "mean": [0.0], "std": [1.0]}
        if one["image"] or one["dtype"] != "float32":
            most = 1 if one["dtype"] in ("bool", "int32", "int64") else how["scale"]
            whole = draw.integers(0, max(int(most), 1) + 1, shape)
            found.append(whole.astype(np.float32))
            continue
        spread = how["scale"] * float(np.mean(how["std"]))
        center = how["scale"] * float(np.mean(how["mean"]))
        found.append((center + spread * draw.normal(size=shape)).astype(np.float32))
    return found


def _prepared(values: Array, one: Mapping[str, Any]) -> Array:
    how = one["preprocessing"]
    if how is None:
        return values
    whole = values.reshape(-1, *one["network"])
    found = normalize(whole, how["scale"], how["mean"], how["std"])
    return found.reshape(len(values), -1)


def _picture(inputs: Sequence[Mapping[str, Any]]) -> Picture | None:
    """A gradient under noise, larger than the first input that takes pictures."""
    place = next((i for i, one in enumerate(inputs) if one["image"]), None)
    if place is None:
        return None
    one, how = inputs[place], inputs[place]["preprocessing"]
    _, height, width = one["network"]
    height, width = int(height * _MORE) + 1, int(width * _MORE) + 2
    noise = np.random.default_rng(1).integers(0, 96, (height, width, 3))
    slope = np.linspace(0, 159, height * width * 3).reshape(height, width, 3)
    colors = (slope + noise).astype(np.uint8)
    image, content = Image.fromarray(colors), io.BytesIO()
    image.save(content, "png")
    color = how["color"] or ("gray" if one["network"][0] == 1 else "rgb")
    raw = pixels(image, one["network"], color, how["resize"], how["fit"])
    packed = colors.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    return Picture(
        png=content.getvalue(),
        width=width,
        height=height,
        argb=(packed | 0xFF000000).astype(np.uint32).ravel(),
        input=place,
        prepared=_prepared(raw.reshape(1, -1).astype(np.float32), one),
    )


def _drawn(outputs: Sequence[Array], scores: str) -> list[Array]:
    """Probabilities, or logits of sure ones: every head finds boxes in them."""
    draw = np.random.default_rng(2)
    most = 1 if scores in ("probabilities", "listed") else 8
    return [np.asarray(draw.uniform(0, most, one.shape), np.float32) for one in outputs]


def _boxes(
    contract: Mapping[str, Any], how: Mapping[str, Any], outputs: Sequence[Array]
) -> Array:
    """The boxes of outputs as the device reads them, a row of six numbers each."""
    names = [one["name"] for one in contract["outputs"]]
    reads = [names.index(name) for name in contract["reads"] or names[:1]]
    rows = np.full((SAMPLES, how["most"], 6), -1.0, np.float32)
    for sample, row in enumerate(rows):
        parts = [outputs[place][sample] for place in reads]
        joined = np.concatenate([one.reshape(len(one), -1) for one in parts], -1)
        found = detections(joined, how)
        count = len(found.scores)
        row[:count] = np.column_stack([found.boxes, found.scores, found.classes])
    return rows.reshape(SAMPLES, -1)


def _answers(contract: Mapping[str, Any], outputs: Sequence[Array]) -> Array:
    names = [one["name"] for one in contract["outputs"]]
    reads = contract["reads"] or names[:1]
    first, last = (outputs[names.index(name)] for name in (reads[0], reads[-1]))
    if contract["form"] == "values":
        return np.zeros((SAMPLES, 0), np.float32)
    if contract["form"] == "boxes":
        scores = last if len(reads) > 1 else last[..., 4:]
        found = scores.argmax(-1)
    elif contract["postprocess"] == "argmax":
        found = first
    else:
        found = first.argmax(contract["axis"])
    places: Array = found.reshape(SAMPLES, -1).astype(np.float32)
    return places


def artifact_of(chosen: Chosen[Any]) -> Artifact:
    """The file of the bundle, with its tensors."""
    described = chosen.artifact
    inputs, outputs = (
        tuple(map(_spec, described[side])) for side in ("inputs", "outputs")
    )
    return Artifact(
        name=described["name"],
        runtime=described["runtime"],
        precision=described["precision"],
        files=(chosen.file,),
        inputs=inputs,
        outputs=outputs,
    )


def _spec(tensor: Mapping[str, Any]) -> TensorSpec:
    steps = tensor.get("quantization")
    return TensorSpec(
        name=tensor["name"],
        shape=tuple(tensor["shape"]),
        dtype=tensor["dtype"],
        layout=tensor.get("layout"),
        quantization=Quantization(**steps) if steps else None,
    )
