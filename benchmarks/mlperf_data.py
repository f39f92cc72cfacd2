"""Samples for MLPerf Tiny's networks: CIFAR-10's own labels, or the float network's decisions.

Made inputs are those on which the float network decides clearly. Where it decides alike for nearly
all of them, those are searched on which it decides otherwise, so that classes have samples.
Training and test samples come from different sounds and photographs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import edgekit as ek
from benchmarks import cifar
from benchmarks.mlperf_inputs import Crops, machines, words

Array = np.ndarray[Any, Any]
Labels = str
DATASET, NETWORK = "dataset", "float network"
BATCH = 64
CLEAR = 0.8
"""Probability from which the float network's decision on a made input counts."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Inputs (n, *input shape) and what a network is to answer (n, ...)."""

    x: Array
    y: Array


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Samples of one network; `labels` is where the answers come from."""

    labels: Labels
    train: Part
    validation: Part
    test: Part


def outputs(network: ek.Network, x: Array) -> Array:
    """The network's outputs of inputs (n, *input shape)."""
    with torch.no_grad():
        parts = torch.split(torch.from_numpy(x), BATCH)
        rows: Array = torch.cat([network.module(part) for part in parts]).numpy()
    return rows


def images(network: ek.Network, data: Path) -> Samples:
    """CIFAR-10 with its labels, from 0 to 255."""
    train, test = (
        _photographs(data, s, n) for s, n in (("train", 9000), ("test", 2000))
    )
    return Samples(
        labels=DATASET,
        train=Part(x=train.x[:8000] * 255, y=train.y[:8000]),
        validation=Part(x=train.x[8000:] * 255, y=train.y[8000:]),
        test=Part(x=test.x * 255, y=test.y),
    )


@cache
def _photographs(data: Path, split: str, count: int) -> Part:
    """CIFAR-10's images from 0 to 1."""
    read = cifar.read(data, split, count)
    pixels = (read.pixels * cifar.STD + cifar.MEAN).clamp(0, 1)
    return Part(x=pixels.numpy(), y=read.labels.numpy())


def people(network: ek.Network, data: Path) -> Samples:
    """Crops of photographs at 96 x 96: as many that the network takes for a person as others."""
    train, test = (
        _photographs(data, s, n) for s, n in (("train", 9000), ("test", 2000))
    )
    parts = [
        _both(network, pixels, count, seed)
        for pixels, count, seed in (
            (train.x[:8000], 1600, 1),
            (train.x[8000:], 400, 2),
            (test.x, 800, 3),
        )
    ]
    return Samples(labels=NETWORK, train=parts[0], validation=parts[1], test=parts[2])


def _both(network: ek.Network, pixels: Array, count: int, seed: int) -> Part:
    """`count` crops, half of them searched: of those nearest to a person, moved a little."""
    side = pixels.shape[-1]
    drawn = Crops.drawn(len(pixels), side, count, seed)
    found, kept = drawn, []
    for turn in range(4):
        x = found.pixels(pixels, 96)
        scores = outputs(network, x)[:, 1]
        kept.append(x[scores > CLEAR])
        best = np.argsort(-scores)[: count // 4]
        found = found[np.tile(best, 4)].moved(side, 10 * seed + turn)
    others = drawn.pixels(pixels, 96)
    others = others[outputs(network, others)[:, 0] > CLEAR]
    persons = np.concatenate(kept)
    draw = np.random.default_rng(seed)
    half = min(count // 2, len(persons), len(others))
    x = np.concatenate([_some(each, half, draw) for each in (persons, others)])
    return _decided(network, _some(x, len(x), draw))


def keywords(network: ek.Network, data: Path) -> Samples:
    """Made words: as many of the commonest class as of the next, and each at several places."""
    parts = [
        _spread(network, words(count, seed), seed)
        for count, seed in ((12000, 1), (3000, 2), (3000, 3))
    ]
    return Samples(labels=NETWORK, train=parts[0], validation=parts[1], test=parts[2])


def _spread(network: ek.Network, x: Array, seed: int) -> Part:
    draw = np.random.default_rng(seed)
    x = np.concatenate([np.roll(x, frames, axis=2) for frames in (-3, 0, 3)])
    scores = outputs(network, x)
    clear = scores.max(1) > CLEAR
    x, classes = x[clear], scores[clear].argmax(1)
    most = int(np.sort(np.bincount(classes))[-2])
    kept = [
        _some(x[classes == each], 2 * most, draw)
        for each in np.unique(classes).tolist()
    ]
    return _decided(network, _some(np.concatenate(kept), len(x), draw))


def anomalies(network: ek.Network, data: Path) -> Samples:
    """Noise of made machines; the answer is the float network's reconstruction.

    The level is the one at which the network reconstructs best. Each frame is then moved towards
    its reconstruction by a fraction of its own, so that some are more anomalous than others.
    """
    parts = []
    for count, seed in ((4000, 1), (600, 2), (1500, 3)):
        x = machines(count, seed)
        x += min(range(-80, 1, 5), key=partial(_missed, network, x))
        fraction = np.random.default_rng(seed).random((count, 1))
        x += (fraction * (outputs(network, x) - x)).astype(np.float32)
        parts.append(Part(x=x, y=outputs(network, x)))
    return Samples(labels=NETWORK, train=parts[0], validation=parts[1], test=parts[2])


def _missed(network: ek.Network, x: Array, level: int) -> float:
    part = x[:500] + np.float32(level)
    return float(np.square(outputs(network, part) - part).mean())


def _decided(network: ek.Network, x: Array) -> Part:
    return Part(x=x, y=outputs(network, x).argmax(1))


def _some(x: Array, count: int, draw: np.random.Generator) -> Array:
    return x[draw.permutation(len(x))[:count]]


Maker = Callable[[ek.Network, Path], Samples]
