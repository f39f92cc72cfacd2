"""Keras's layers as modules of torch: a file a family, found by the class's name."""

from edgekit.sources.keras.layers import (
    activations,
    attention,
    convolution,
    core,
    merging,
    normalization,
    operations,
    pooling,
    preprocessing,
    recurrent,
    reshaping,
    wrappers,
)
from edgekit.sources.keras.layers.registry import build, kinds

__all__ = [
    "activations",
    "attention",
    "build",
    "convolution",
    "core",
    "kinds",
    "merging",
    "normalization",
    "operations",
    "pooling",
    "preprocessing",
    "recurrent",
    "reshaping",
    "wrappers",
]
