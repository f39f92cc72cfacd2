"""Sentence embeddings: what `modules.json` puts after an encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.errors import ModelError
from edgekit.safe_io import read_json, reading
from edgekit.sources.huggingface import tensors

FILE = "modules.json"
OUTPUT = "sentence_embedding"
_KIND = "the modules of a sentence transformer"
_POOLING = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}
_LEAST = 1e-9
_LOWEST = -1e9
_ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Any], Any]]] = {
    "Tanh": (torch.tanh, np.tanh),
    "Identity": (lambda x: x, lambda x: x),
    "ReLU": (torch.relu, lambda x: np.maximum(x, 0)),
}
"""In torch, and in NumPy for the comparison."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One module after the encoder: `pooling` with its mode, `normalize`, or `dense`."""

    kind: str
    mode: str = ""


@dataclass(frozen=True, kw_only=True)
class DenseStep(Step):
    """A linear layer after the encoder; `mode` is its activation."""

    kind: str = "dense"
    weight: Tensor
    bias: Tensor | None


def steps(folder: Path) -> tuple[Path, tuple[Step, ...]]:
    """The encoder's folder, and what follows it; `ModelError` for modules that are not known."""
    path = folder / FILE
    found = read_json(path, ModelError)
    with reading(path, ModelError, kind=_KIND):
        listed = [(each["type"].rpartition(".")[2], each["path"]) for each in found]
        for _, place in listed:
            if not isinstance(place, str) or Path(place).name != place:
                raise ValueError(f"{place!r:.60} is not a folder of the folder")
        if not listed or listed[0][0] != "Transformer":
            raise ValueError("it does not begin with a Transformer")
    made = tuple(_step(kind, folder / place, path) for kind, place in listed[1:])
    if [step.kind for step in made].count("pooling") != 1 or made[0].kind != "pooling":
        raise ModelError(f"{path}: one Pooling has to follow the Transformer.")
    return folder / listed[0][1], made


class Embedder(nn.Module):
    """An encoder and the steps after it: one vector a text."""

    def __init__(self, encoder: nn.Module, following: Sequence[Step]) -> None:
        super().__init__()
        self.encoder = encoder
        self.steps = tuple((step.kind, step.mode) for step in following)
        self.dense = nn.ModuleList(
            _linear(s) for s in following if isinstance(s, DenseStep)
        )

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        """The embeddings (batch, width) of tokens."""
        states = self.encoder(**inputs)["last_hidden_state"]
        mask = inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
        dense = iter(self.dense)
        for kind, mode in self.steps:
            if kind == "pooling":
                states = _pooled(states, mask, mode)
            elif kind == "normalize":
                states = F.normalize(states, p=2.0, dim=-1)
            else:
                states = _ACTIVATIONS[mode][0](next(dense)(states))
        return {OUTPUT: states}


def expected(
    following: Sequence[Step], states: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """The same steps by their definitions, in NumPy and in double precision."""
    found = states.astype(np.float64)
    for step in following:
        if isinstance(step, DenseStep):
            found = found @ step.weight.double().numpy().T
            found = found + (0.0 if step.bias is None else step.bias.double().numpy())
            found = _ACTIVATIONS[step.mode][1](found)
        elif step.kind == "pooling":
            found = np.stack(
                [_row(x, m, step.mode) for x, m in zip(found, mask, strict=True)]
            )
        else:
            found = found / np.maximum(
                np.linalg.norm(found, axis=-1, keepdims=True), 1e-12
            )
    return found


def _row(states: np.ndarray, mask: np.ndarray, mode: str) -> np.ndarray:
    """The pooled states of one text: of its own tokens, without the padding."""
    kept = states[mask != 0]
    pooled: np.ndarray = states[0]
    if mode == "mean":
        pooled = kept.sum(axis=0) / max(len(kept), _LEAST)
    elif mode == "max":
        pooled = kept.max(axis=0) if len(kept) else states.max(axis=0) + _LOWEST
    return pooled


def _pooled(states: Tensor, mask: Tensor, mode: str) -> Tensor:
    if mode == "cls":
        return states[:, 0]
    if mode == "max":
        return (states + (1.0 - mask) * _LOWEST).amax(dim=1)
    return (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=_LEAST)


def _step(kind: str, place: Path, path: Path) -> Step:
    if kind == "Pooling":
        return Step(kind="pooling", mode=_mode(place / "config.json"))
    if kind == "Normalize":
        return Step(kind="normalize")
    if kind == "Dense":
        return _dense(place)
    raise ModelError(
        f"{path}: the module {kind[:60]} is not supported; Pooling, Dense and Normalize are."
    )


def _mode(path: Path) -> str:
    found = read_json(path, ModelError)
    with reading(path, ModelError, kind=_KIND):
        asked = {k for k, on in found.items() if k.startswith("pooling_mode_") and on}
        named = found.get("pooling_mode")
        modes = {named} if named else {_POOLING.get(key, key) for key in asked}
    [mode, *others] = sorted(map(str, modes)) or ["none"]
    if others or mode not in _POOLING.values():
        known = ", ".join(_POOLING.values())
        listed = ", ".join([mode, *others])[:80]
        raise ModelError(f"{path}: pooling by {listed} is not supported; {known} are.")
    return mode


def _dense(place: Path) -> Step:
    path = place / "config.json"
    found = read_json(path, ModelError)
    with reading(path, ModelError, kind=_KIND):
        name = str(found.get("activation_function", "Identity")).rpartition(".")[2]
    if name not in _ACTIVATIONS:
        raise ModelError(
            f"{path}: the activation {name[:60]} is not supported; "
            f"{', '.join(_ACTIVATIONS)} are."
        )
    stored: Mapping[str, Tensor] = tensors.read(place, allow_pickle=False)
    with reading(place, ModelError, kind="a Dense module"):
        bias = stored.get("linear.bias")
        return DenseStep(
            mode=name,
            weight=stored["linear.weight"].float(),
            bias=None if bias is None else bias.float(),
        )


def _linear(step: DenseStep) -> nn.Linear:
    outputs, inputs = step.weight.shape
    layer = nn.Linear(inputs, outputs, bias=step.bias is not None, device="meta")
    stored = {"weight": step.weight} | (
        {} if step.bias is None else {"bias": step.bias}
    )
    layer.load_state_dict(stored, assign=True)
    return layer
