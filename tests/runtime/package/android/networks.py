"""Small networks of the kinds that answer differently, as LiteRT files in bundles."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edgekit.export.workers import export_all
from edgekit.program.io_fusion import folded
from edgekit.program.program import trace
from edgekit.runtimes.litert import exporter
from edgekit.tasks.decoding import described
from edgekit.types import Artifact, BoxDecoder, InputSpec, Preprocess, TaskSpec
from tests.packages import write_bundle
from tests.runtime.agent.serving.text_model import contract_in
from tests.runtime.export.digits import FOLDED, SHAPE, Digits
from tests.texts import LENGTH, NAMES

RAW = {**asdict(Preprocess(scale=1.0)), "mean": [0.0], "std": [1.0]}
COLORS = {
    **asdict(Preprocess(scale=255.0)),
    "mean": [0.5, 0.4, 0.3],
    "std": [0.25, 0.2, 0.3],
    "color": "bgr",
    "resize": "bicubic",
}
GRAY = {**RAW, "scale": 255.0, "mean": [0.1], "std": [0.3], "resize": "nearest"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network with its preprocessing and the rest of its contract."""

    network: Callable[[], nn.Module] | None
    """`None` for the digits, which have learned."""
    inputs: tuple[InputSpec, ...]
    preprocess: tuple[dict[str, Any], ...]
    contract: dict[str, Any] = field(default_factory=dict)
    classes: Callable[[np.ndarray], np.ndarray] = lambda outputs: outputs.argmax(
        1, keepdims=True
    )
    """The likeliest classes of a row of all outputs."""


class Segmenter(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, padding=1)
        )


class Detector(nn.Module):
    """Four numbers and three scores for each of 20 places."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Conv2d(3, 7, 3, stride=2, padding=1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = self.shared(x).flatten(2).transpose(1, 2)
        return found[..., :4].relu(), found[..., 4:].sigmoid()


class Cells(nn.Module):
    """Distributions of a box's sides and three scores for each of 5 places."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Conv2d(3, 19, 8, stride=8)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        fine = self.shared(x).flatten(2)
        coarse = self.shared(x[..., ::2, ::2]).flatten(2)
        found = 3 * torch.cat([fine, coarse], 2).transpose(1, 2)
        return found[..., :16], found[..., 16:]


class Words(nn.Module):
    """Sums over the tokens: their embeddings, the second text's, the mask's."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, 4)

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor
    ) -> torch.Tensor:
        known = self.embedding(ids) * mask[..., None]
        second = self.embedding(types)
        return known.sum(1) + 0.1 * second.sum(1)


class Letters(nn.Module):
    """Sums over bytes of their embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(256, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.embedding(x).sum(1)


class Several(nn.Module):
    """A picture and three numbers to two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.given = nn.Linear(48, 5), nn.Linear(3, 5)

    def forward(
        self, x: torch.Tensor, y: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        found = self.seen(x.flatten(1)) + self.given(y)
        return found.tanh(), found.sum(1, keepdim=True)


CASES = {
    "Street scenes": Case(
        network=Segmenter,
        inputs=(InputSpec(name="picture", shape=(3, 9, 7)),),
        preprocess=(COLORS,),
        contract={"task": "segmentation", "labels": ["road", "sky", "tree", "else"]},
        classes=lambda outputs: outputs.reshape(-1, 4, 63).argmax(1),
    ),
    "finder": Case(
        network=Detector,
        inputs=(InputSpec(name="in", shape=(3, 8, 10)),),
        preprocess=({**COLORS, "color": None, "resize": "bilinear"},),
        contract={"task": "detection", "labels": ["a", "b", '"$c\\']},
        classes=lambda outputs: outputs[:, 80:].reshape(-1, 20, 3).argmax(2),
    ),
    "cells": Case(
        network=Cells,
        inputs=(InputSpec(name="in", shape=(3, 16, 16)),),
        preprocess=(
            {**COLORS, "color": None, "resize": "bilinear", "fit": "letterbox"},
        ),
        contract={
            "task": "detection",
            "labels": ["red", "white", "blue"],
            "decoder": described(
                TaskSpec(
                    kind="detection",
                    decoder=BoxDecoder(
                        head="dfl", bins=4, strides=(8.0, 16.0), size=(16, 16), most=9
                    ),
                )
            ),
        },
    ),
    "words": Case(
        network=Words,
        inputs=tuple(
            InputSpec(name=name, shape=(LENGTH,), dtype="int64") for name in NAMES
        ),
        preprocess=(RAW,) * 3,
        contract={"labels": ["bad", "good", "second", "tokens"]},
    ),
    "letters": Case(
        network=Letters,
        inputs=(InputSpec(name="bytes", shape=(LENGTH,), dtype="int64"),),
        preprocess=(RAW,),
        contract={"labels": ["fr", "it", "eu", "hu"]},
    ),
    "two eyes": Case(
        network=Several,
        inputs=(
            InputSpec(name="x y", shape=(1, 6, 8)),
            InputSpec(name="2nd", shape=(3,)),
        ),
        preprocess=(GRAY, {**RAW, "scale": 2.0}),
        contract={"task": "regression"},
    ),
    "Digits & co": Case(
        network=None,
        inputs=(SHAPE,),
        preprocess=(RAW,),
        contract={"labels": list("0123456789"), "folded": asdict(FOLDED)},
    ),
}


def bundle(folder: Path, name: str, digits: Digits) -> Path:
    """The bundle of one of the cases: in fp32, that of digits in int8."""
    case = CASES[name]
    folder.mkdir(parents=True)
    artifact = _digits(folder, digits) if case.network is None else _fp32(folder, case)
    contract, files = dict(case.contract), {}
    if name == "words":
        contract["text"] = asdict(contract_in(folder))
        files = {"tokenizer.json": (folder / "tokenizer.json").read_text("utf-8")}
    if contract.get("task") == "detection":
        contract["reads"] = [one.name for one in artifact.outputs]
    return write_bundle(
        folder / "bundle",
        [artifact],
        preprocess=case.preprocess,
        name=name,
        files=files,
        **contract,
    )


def text_of(folder: Path) -> dict[str, Any]:
    """The contract of a bundle's texts."""
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found["contract"]["text"]


def _fp32(folder: Path, case: Case) -> Artifact:
    assert case.network is not None
    torch.manual_seed(0)
    kinds = tuple(getattr(torch, one.dtype or "float32") for one in case.inputs)
    path = folder / "model.tflite"
    exporter.convert(trace(case.network().eval(), case.inputs, kinds), path)
    inputs, outputs = exporter.signature(path)
    return Artifact(
        name="litert-fp32",
        runtime="litert",
        precision="fp32",
        files=(path,),
        inputs=inputs,
        outputs=outputs,
    )


def _digits(folder: Path, digits: Digits) -> Artifact:
    """Bytes in and probabilities out, channels last."""
    program, test = digits
    [made] = export_all(
        folded(program, FOLDED),
        [("litert", "int8")],
        calibration=test.unprepared().arrays()[0],
        folder=folder / "made",
        channels_last=True,
    )
    return made
