"""A decoder as llama.cpp's GGUF file, written a tensor at a time.

The file has the configuration, the tokenizer with its chat template, and the weights: linear layers
in the format that is asked for, the embedding and the head with eight bits where that is four.
Queries and keys of families that llama.cpp rotates in neighboring pairs are laid out for that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgekit.decoders import streaming
from edgekit.decoders.decoder import EMBEDDING, HEAD, Decoder
from edgekit.decoders.engines.gguf_tokenizer import GgufTokenizer
from edgekit.decoders.engines.limits import has_window, varying_positions
from edgekit.errors import ArtifactError

GROUP_SIZE = 32
"""Weights that have a scale in common, with eight and with four bits."""
_ROPE_EVERY = 4
"""SmolLM3's blocks without rotary positions: each fourth, whatever the file has."""


@dataclass(frozen=True, kw_only=True)
class _Architecture:
    """A family as llama.cpp has it."""

    name: str
    activation: str = "silu"
    in_pairs: bool = False
    """Rotates values that are neighbors, not those half a head apart."""
    frequencies: bool = False
    """Takes factors of the rotary frequencies."""
    biases: tuple[str, ...] = ()
    """Linear layers that may have one."""


_QKV = ("q_proj", "k_proj", "v_proj")
_ALL = (*_QKV, "o_proj", "gate_proj", "up_proj", "down_proj")
ARCHITECTURES: Mapping[str, _Architecture] = {
    "gemma": _Architecture(name="gemma", activation="gelu_pytorch_tanh"),
    "llama": _Architecture(name="llama", in_pairs=True, frequencies=True, biases=_ALL),
    "mistral": _Architecture(
        name="llama", in_pairs=True, frequencies=True, biases=_ALL
    ),
    "qwen2": _Architecture(name="qwen2", biases=_QKV),
    "qwen3": _Architecture(name="qwen3"),
    "smollm3": _Architecture(name="smollm3", in_pairs=True),
}
"""By `model_type`."""


def write(decoder: Decoder, tokenizer: GgufTokenizer, path: Path, bits: int) -> None:
    """Write the file, with weights of 32, 16, 8 or 4 bits.

    Raises `ArtifactError` for a family, and for features of one, that llama.cpp does not express.
    """
    _check(decoder)
    _File(decoder, bits).write(tokenizer, path)


def _check(decoder: Decoder) -> None:
    parsed, kind = decoder.parsed, decoder.parsed.model_type
    known = ARCHITECTURES.get(kind)
    reason = None
    if known is None:
        reason = f"decoders of model_type {kind} are not written for llama.cpp"
    elif has_window(decoder):
        reason = "some blocks attend to a window of the text"
    elif parsed.hidden_act != known.activation:
        reason = f"the activation is '{parsed.hidden_act}', not '{known.activation}'"
    elif varying_positions(decoder) or streaming.rotary(decoder).attention_scaling != 1:
        reason = "rotary positions depend on the length of the text, or are scaled"
    elif not known.frequencies and _factors(decoder) is not None:
        reason = "its rotary frequencies are not the plain ones"
    elif other := _other_bias(decoder, known):
        reason = f"{other} has a bias"
    elif kind == "smollm3" and not _drops_each_fourth(decoder):
        reason = "blocks without rotary positions are not each fourth"
    if reason is not None:
        raise ArtifactError(f"{decoder.folder}: {reason}. Take another runtime.")


def _other_bias(decoder: Decoder, known: _Architecture) -> str | None:
    """A layer whose bias the architecture drops."""
    layers = [n.split(".")[-2] for n in decoder.shapes if n.endswith(".bias")]
    return next((layer for layer in layers if layer not in known.biases), None)


def _drops_each_fourth(decoder: Decoder) -> bool:
    found = list(decoder.parsed.no_rope_layers)
    return found == [int((i + 1) % _ROPE_EVERY > 0) for i in range(decoder.blocks)]


def _factors(decoder: Decoder) -> np.ndarray | None:
    """By what each rotary frequency is divided; `None` where all are the plain ones."""
    inverse = streaming.rotary(decoder).inv_freq.double()
    count = len(inverse)
    plain = _base(decoder) ** -(torch.arange(count, dtype=torch.float64) / count)
    factors = (plain / inverse).float()
    if torch.allclose(factors, torch.ones(count), rtol=1e-4):
        return None
    found: np.ndarray = factors.numpy()
    return found


def _base(decoder: Decoder) -> float:
    return float(decoder.parsed.rope_parameters["rope_theta"])


class _File:
    """One file: what it has of each tensor is decided before the first is read."""

    def __init__(self, decoder: Decoder, bits: int) -> None:
        import gguf

        self._gguf, self._decoder, self._bits = gguf, decoder, bits
        self._known = ARCHITECTURES[decoder.parsed.model_type]
        kinds = gguf.GGMLQuantizationType
        formats = {32: kinds.F32, 16: kinds.F16, 8: kinds.Q8_0, 4: kinds.Q4_0}
        self._linear = formats[bits]
        self._ends = kinds.Q8_0 if bits == 4 else self._linear

    def write(self, tokenizer: GgufTokenizer, path: Path) -> None:
        decoder, writer = self._decoder, self._gguf.GGUFWriter(path, self._known.name)
        self._add_configuration(writer)
        tokenizer.add_to(writer, decoder.shapes[EMBEDDING][0])
        factors = _factors(decoder)
        if factors is not None:
            self._add(writer, "rope_freqs.weight", factors.shape, self._kind("", (1,)))
        for name, shape in decoder.shapes.items():
            self._add(writer, self._named(name), shape, self._kind(name, shape))
        try:
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            if factors is not None:
                writer.write_tensor_data(factors)
            for name in decoder.shapes:
                writer.write_tensor_data(self._stored(name))
        finally:
            writer.close()

    def _add_configuration(self, writer: Any) -> None:
        decoder, parsed = self._decoder, self._decoder.parsed
        writer.add_type("model")
        writer.add_name(decoder.folder.resolve().name)
        writer.add_context_length(parsed.max_position_embeddings)
        writer.add_embedding_length(parsed.hidden_size)
        writer.add_block_count(decoder.blocks)
        writer.add_feed_forward_length(decoder.mlp_width)
        writer.add_head_count(decoder.heads)
        writer.add_head_count_kv(decoder.groups)
        writer.add_key_length(decoder.head_size)
        writer.add_value_length(decoder.head_size)
        writer.add_layer_norm_rms_eps(parsed.rms_norm_eps)
        writer.add_rope_dimension_count(decoder.head_size)
        writer.add_rope_freq_base(_base(decoder))
        writer.add_vocab_size(decoder.shapes[EMBEDDING][0])
        types = self._gguf.LlamaFileType
        by_bits = {
            32: types.ALL_F32,
            16: types.MOSTLY_F16,
            8: types.MOSTLY_Q8_0,
            4: types.MOSTLY_Q4_0,
        }
        writer.add_file_type(by_bits[self._bits])
        writer.add_quantization_version(self._gguf.GGML_QUANT_VERSION)

    def _add(self, writer: Any, name: str, shape: tuple[int, ...], kind: Any) -> None:
        stored = self._gguf.quant_shape_to_byte_shape(shape, kind)
        writer.add_tensor_info(
            name, shape, np.dtype(np.float32), math.prod(stored), raw_dtype=kind
        )

    def _named(self, name: str) -> str:
        stem, _, end = name.rpartition(".")
        arch = next(
            key
            for key, each in self._gguf.MODEL_ARCH_NAMES.items()
            if each == self._known.name
        )
        names = self._gguf.get_tensor_name_map(arch, self._decoder.blocks)
        return f"{names.get_name(stem)}.{end}"

    def _kind(self, name: str, shape: tuple[int, ...]) -> Any:
        """The format of a tensor: vectors stay in float32, rows of no whole groups in 16 bits."""
        kinds = self._gguf.GGMLQuantizationType
        if len(shape) == 1:
            return kinds.F32
        kind = self._ends if name in (EMBEDDING, HEAD) else self._linear
        if kind in (kinds.Q8_0, kinds.Q4_0) and shape[-1] % GROUP_SIZE:
            return kinds.F16
        return kind

    def _stored(self, name: str) -> np.ndarray:
        """A tensor as the file has it."""
        tensor = self._decoder.tensors((name,))[name].float()
        if len(tensor.shape) == 1 and name.endswith("norm.weight"):
            tensor = tensor + (1.0 if self._decoder.family.offset_norms else 0.0)
        elif self._known.in_pairs and name.split(".")[-2] in ("q_proj", "k_proj"):
            tensor = self._in_pairs(tensor)
        kind = self._kind(name, tuple(tensor.shape))
        found: np.ndarray = self._gguf.quantize(tensor.contiguous().numpy(), kind)
        return found

    def _in_pairs(self, tensor: torch.Tensor) -> torch.Tensor:
        """Rows of each head so that the two that rotate together are neighbors."""
        half = self._decoder.head_size // 2
        halves = tensor.reshape(-1, 2, half, *tensor.shape[1:])
        return halves.transpose(1, 2).reshape(tensor.shape)
