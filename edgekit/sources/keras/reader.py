"""A Keras file as a module of torch with named inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgekit.errors import ModelError
from edgekit.safe_io import reading
from edgekit.sources.keras import archive, config, weights
from edgekit.sources.keras.config import GraphConfig, LayerConfig
from edgekit.sources.keras.custom import Objects, resolved
from edgekit.sources.keras.network import KerasNetwork, program_shape
from edgekit.sources.keras.weights import Weights
from edgekit.types import InputSpec

_LARGEST = 1 << 26
"""Elements of a sample at an input."""
_WHOLE: tuple[Literal["int32", "int64"], ...] = ("int32", "int64")
_TABLES = ("Embedding", "CategoryEncoding")


@dataclass(frozen=True, kw_only=True)
class KerasModel:
    """Content of a file: the configuration, each layer's weights, and the network of both.

    `inputs` are as the network takes them: images with their channels first.
    """

    graph: GraphConfig
    weights: Weights
    network: KerasNetwork
    inputs: tuple[InputSpec, ...]
    channels_last: bool
    version: int


def read(
    path: Path, inputs: Sequence[InputSpec] = (), objects: Objects | None = None
) -> KerasModel:
    """The model in `path`. `inputs` give sizes that the file leaves free, `objects` the author's
    own layers.

    Raises `ModelError` for what is damaged, of the author's own classes, or not supported.
    """
    file = archive.read(path)
    with reading(path, ModelError, kind="a Keras model"):
        graph = resolved(config.parse(file.config, file.version), objects or {})
        arrays = weights.of_layers(file, graph)
        network = KerasNetwork(graph, arrays)
        network.eval()
        specs = _inputs(graph, network.channels_last, inputs)
    return KerasModel(
        graph=graph,
        weights=arrays,
        network=network,
        inputs=specs,
        channels_last=network.channels_last,
        version=file.version,
    )


def _inputs(
    graph: GraphConfig, channels_last: bool, given: Sequence[InputSpec]
) -> tuple[InputSpec, ...]:
    layers = {layer.name: layer for layer in graph.layers}
    sources = [layers[ref.layer] for ref in graph.inputs]
    if given and len(given) != len(sources):
        raise ModelError(
            f"The file's model takes {len(sources)} inputs, and {len(given)} are given."
        )
    return tuple(
        _spec(source, graph, channels_last, given[n] if given else None)
        for n, source in enumerate(sources)
    )


def _spec(
    source: LayerConfig,
    graph: GraphConfig,
    channels_last: bool,
    given: InputSpec | None,
) -> InputSpec:
    known = config.input_shape(source)
    if known is None:
        if given is None:
            raise ModelError(
                f"The file lacks the shape of the input '{source.name}'. "
                "Say it in edgekit.toml: [model] input = { shape = [3, 224, 224] }."
            )
        return InputSpec(shape=given.shape, name=source.name, dtype=given.dtype)
    sizes = known[1:]
    if not sizes:
        raise ModelError(f"The input '{source.name}' has no dimension but the batch.")
    said = program_shape(sizes, channels_last)  # type: ignore[arg-type]
    shape = _filled(source.name, said, None if given is None else given.shape)
    if _elements(shape) > _LARGEST:
        raise ModelError(f"The input '{source.name}' is of shape {list(shape)}.")
    return InputSpec(shape=shape, name=source.name, dtype=_dtype(source, graph))


def _filled(
    name: str, said: Sequence[int | None], given: Sequence[int] | None
) -> tuple[int, ...]:
    """The sizes of the file, and those given where it leaves them free."""
    shown = [size or "?" for size in said]
    if given is None:
        if None in said:
            raise ModelError(
                f"The input '{name}' is of shape {shown}, which leaves sizes free. "
                "Fix them in edgekit.toml: [model] input = { shape = [...] }."
            )
        return tuple(int(size) for size in said if size is not None)
    fits = len(given) == len(said) and all(
        size in (None, own) for size, own in zip(said, given, strict=True)
    )
    if not fits:
        raise ModelError(
            f"The input '{name}' is of shape {shown} (images with their channels "
            f"first), but [model] input is {list(given)}. Remove [model] input or "
            "correct it."
        )
    return tuple(given)


def _elements(shape: Sequence[int]) -> int:
    """Number of values of a sample; ValueError for sizes below 1."""
    count = 1
    for size in shape:
        if type(size) is not int or size < 1:
            raise ValueError(f"an input is of shape {list(shape)}")
        count *= size
    return count


def _dtype(
    source: LayerConfig, graph: GraphConfig
) -> Literal["float32", "int64", "int32"] | None:
    """Whole numbers where the file has them, or where a table is looked up with them."""
    shown = source.values.get("dtype")
    for kind in _WHOLE:
        if shown == kind:
            return kind
    consumers = [
        layer.kind
        for layer in graph.walk()
        for call in layer.calls
        if any(ref.layer == source.name for ref in config.references(list(call.args)))
    ]
    return "int32" if consumers and all(kind in _TABLES for kind in consumers) else None
