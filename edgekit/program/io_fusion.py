"""Preprocessing and post-processing of a file, as part of the program."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from edgekit.program.audio_features import AudioFeatures, length_of
from edgekit.program.program import Program, retrace
from edgekit.types import AudioSpec, InputSpec, IOFusion, Preprocess, RawInput


class Around(nn.Module):
    """Something before or after an exported network, which refuses to be switched as a module."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def train(self, mode: bool = True) -> Self:
        """Leave the network in its mode."""
        return self


class _ChannelsLast(Around):
    def __init__(self, program: Program) -> None:
        super().__init__(program.module)
        self.images = tuple(map(is_image, program.inputs))

    def forward(self, *given: Tensor) -> Any:
        pairs = zip(given, self.images, strict=True)
        return self.network(*(self._first(x) if image else x for x, image in pairs))

    def _first(self, x: Tensor) -> Tensor:
        # To float first: a converter that cannot turn a cast around leaves two transposes.
        values = x.to(torch.float32) if x.dtype == torch.uint8 else x
        return values.permute(0, 3, 1, 2)


class _Prepare(nn.Module):
    """Raw values of one input to the network's: of a recording its samples."""

    offset: Tensor
    factor: Tensor

    def __init__(self, how: Preprocess, spec: InputSpec) -> None:
        super().__init__()
        shape = (-1,) + (1,) * (len(spec.shape) - 1)
        std = torch.tensor(how.std).reshape(shape) * how.scale
        mean = torch.tensor(how.mean).reshape(shape) * how.scale
        self.register_buffer("offset", mean)
        self.register_buffer("factor", 1 / std)
        audio = _front_end(how)
        self.features = (
            nn.Identity() if audio is None else AudioFeatures(audio, spec.shape)
        )

    def forward(self, x: Tensor) -> Tensor:
        values: Tensor = self.features(x.to(torch.float32))
        return (values - self.offset) * self.factor


def _front_end(how: Preprocess) -> AudioSpec | None:
    """The features of recordings, which the file computes; `None` of a wave."""
    audio = how.audio
    return None if audio is None or audio.form == "wave" else audio


class _Folded(Around):
    """Raw values in, classes or probabilities out where the task reads the outputs."""

    def __init__(self, program: Program, folding: IOFusion) -> None:
        super().__init__(program.module)
        self.folding = folding
        self.read = program.reads[0] if program.reads else 0
        raw = _raw(program, folding)
        self.prepare = nn.ModuleList(
            nn.Identity() if one is None else _Prepare(one.preprocess, spec)
            for one, spec in zip(raw, program.inputs, strict=True)
        )

    def forward(self, *given: Tensor) -> Any:
        pairs = zip(self.prepare, given, strict=True)
        found = self.network(*(prepare(x) for prepare, x in pairs))
        leaves, structure = pytree.tree_flatten(found)
        places = [n for n, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
        leaves[places[self.read]] = self._decided(leaves[places[self.read]])
        return pytree.tree_unflatten(leaves, structure)

    def _decided(self, answer: Tensor) -> Tensor:
        if self.folding.postprocess == "softmax":
            return answer.softmax(self.folding.axis)
        if self.folding.postprocess == "argmax":
            return answer.argmax(self.folding.axis).to(torch.int32)
        return answer


def folded(program: Program, folding: IOFusion) -> Program:
    """`program` with the steps of `folding` around it."""
    if folding == IOFusion():
        return program
    dtypes = tuple(
        known if one is None else getattr(torch, one.dtype)
        for one, known in zip(_raw(program, folding), program.dtypes, strict=True)
    )
    pairs = zip(_raw(program, folding), program.inputs, strict=True)
    inputs = tuple(_taken(one, spec) for one, spec in pairs)
    made = retrace(_Folded(program, folding), inputs, dtypes)
    tail = None if folding.postprocess else program.tail
    return replace(made, outputs=program.outputs, reads=program.reads, tail=tail)


def _taken(one: RawInput | None, spec: InputSpec) -> InputSpec:
    """The input of a file: the samples of a recording where it computes features."""
    audio = None if one is None else _front_end(one.preprocess)
    if audio is None:
        return spec
    return replace(spec, shape=(length_of(audio, spec.shape),))


def _raw(program: Program, folding: IOFusion) -> tuple[RawInput | None, ...]:
    return folding.raw([spec.name for spec in program.inputs])


def is_image(spec: InputSpec) -> bool:
    """Return whether an input's samples are (channels, height, width)."""
    return len(spec.shape) == 3


def channels_last(program: Program) -> Program:
    """The same network of images (batch, height, width, channels); other inputs as they are.

    Its first transpose meets the one that LiteRT's converter puts before a convolution, and
    neither is left.
    """
    turned = tuple(map(_turned, program.inputs))
    made = retrace(_ChannelsLast(program), turned, program.dtypes)
    return replace(
        made, outputs=program.outputs, reads=program.reads, tail=program.tail
    )


def _turned(spec: InputSpec) -> InputSpec:
    if not is_image(spec):
        return spec
    channels, height, width = spec.shape
    return replace(spec, shape=(height, width, channels))
