"""Gives ONNX Runtime GenAI's model builder the weights of a decoder one at a time.

By itself the builder loads all weights, and copies all of them to float32 before it quantizes the
first: 2.8 times their bytes in bfloat16.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch

from edgekit.decoders import streaming
from edgekit.decoders.decoder import EMBEDDING, HEAD, NORM, Decoder, block_prefix


@contextmanager
def streamed(decoder: Decoder) -> Iterator[None]:
    """Let the builder map the weights of `decoder`, and have one of them in float32 at a time.

    Two methods of its `Model` are exchanged meanwhile; its files are the same to the byte.
    """
    from onnxruntime_genai.models.builder import Model

    quantize = Model.to_nbits

    def load_weights(_model: Any, _folder: str) -> Any:
        return _mapped(decoder)

    def to_nbits(model: Any) -> Any:
        # The builder's modules are not in its package's name space.
        base = sys.modules[Model.__module__]
        held = _take_tensors(model.model.graph)
        lending = _lending(base.MatMulNBitsQuantizer, held)
        with patch.object(base, "MatMulNBitsQuantizer", lending):
            made = quantize(model)
        for name, value in made.graph.initializers.items():
            if name in held:
                value.const_value = held[name]
        return made

    with (
        patch.object(Model, "load_weights", load_weights),
        patch.object(Model, "to_nbits", to_nbits),
    ):
        yield


def _mapped(decoder: Decoder) -> Any:
    """The network of transformers, its weights mapped from their files, in their precision."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    with torch.device("meta"):
        network = MODEL_FOR_CAUSAL_LM_MAPPING[type(decoder.parsed)](decoder.parsed)
    network.model.rotary_emb = streaming.rotary(decoder)
    ends = decoder.tensors(n for n in (EMBEDDING, NORM, HEAD) if n in decoder.shapes)
    network.load_state_dict(ends, strict=False, assign=True)
    # A map of a file lives as long as one of its tensors: each block has one of its own.
    for index in range(decoder.blocks):
        start = block_prefix(index)
        weights = {f"{start}{name}": t for name, t in decoder.block(index).items()}
        network.load_state_dict(weights, strict=False, assign=True)
    network.tie_weights()
    return network.eval()


def _take_tensors(graph: Any) -> dict[str, Any]:
    """The tensors of a graph's initializers by name; the graph refers to files instead."""
    import onnx_ir as ir

    held: dict[str, Any] = {}
    for name, value in graph.initializers.items():
        held[name] = tensor = value.const_value
        value.const_value = ir.ExternalTensor(
            "", None, None, tensor.dtype, shape=tensor.shape, name=name
        )
    return held


def _lending(kind: Any, held: dict[str, Any]) -> Any:
    """The class of quantizers `kind`, which takes the tensors of each node from `held`."""
    from onnx import GraphProto, TensorProto

    class Lending(kind):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            quantize = self.node_quantizer.quantize

            def lent(node: Any, graphs: list[Any]) -> Any:
                # A message of its own: a field's memory is freed with the outermost message.
                inner = GraphProto()
                for tensor in graphs[-1].initializer:
                    if tensor.name in node.input:
                        whole = inner.initializer.add()
                        whole.CopyFrom(tensor)
                        whole.data_location = TensorProto.DEFAULT
                        whole.raw_data = held.pop(tensor.name).tobytes()
                count = len(inner.initializer)
                made = quantize(node, [*graphs, inner])
                graphs[-1].initializer.extend(inner.initializer[count:])
                return made

            self.node_quantizer.quantize = lent

    return Lending
