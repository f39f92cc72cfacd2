"""A decoder as a stateful OpenVINO model, built from the folder's tensors as they are read.

Inputs and state are those that OpenVINO GenAI expects: `input_ids`, `attention_mask`,
`position_ids` (batch, length) and `beam_idx` (batch); keys and values are variables, gathered by
`beam_idx`. Operators are in the forms that OpenVINO fuses: RMS norm, rotary embedding, and
attention with repeated key-value heads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgekit.decoders import streaming
from edgekit.decoders.decoder import EMBEDDING, HEAD, NORM, Decoder
from edgekit.decoders.engines.limits import has_window, varying_positions
from edgekit.errors import ArtifactError

_ACTIVATIONS = ("silu", "gelu", "gelu_pytorch_tanh")
_LOWEST = float(np.finfo(np.float32).min)


def build(decoder: Decoder) -> Any:
    """The `openvino.Model`, its weights in the folder's precision.

    Raises `ArtifactError` for blocks that attend to a window of the text, for rotary positions
    that depend on its length, and for an activation that is not supported.
    """
    _check(decoder)
    return _Builder(decoder).model()


def _check(decoder: Decoder) -> None:
    if has_window(decoder):
        raise ArtifactError(
            f"{decoder.folder}: some blocks attend to a window of the text, and OpenVINO GenAI "
            "may run them over all of it. Take another runtime."
        )
    kind = varying_positions(decoder)
    if kind is not None:
        raise ArtifactError(
            f"{decoder.folder}: rotary positions of the kind '{kind}' differ by block or by length "
            "of the text. Take another runtime."
        )
    if getattr(decoder.parsed, "hidden_act", None) not in _ACTIVATIONS:
        raise ArtifactError(
            f"{decoder.folder}: the activation '{decoder.parsed.hidden_act}' is not supported. "
            f"Supported are {', '.join(_ACTIVATIONS)}."
        )


class _Builder:
    """Nodes of one model. Shapes are (batch, length, hidden) between blocks and (batch, heads,
    length, head size) inside attention."""

    def __init__(self, decoder: Decoder) -> None:
        import openvino
        from openvino import opset15

        self._ov, self._ops = openvino, opset15
        self._decoder = decoder
        self._sinks: list[Any] = []

    def model(self) -> Any:
        ov, decoder = self._ov, self._decoder
        inputs = {
            name: self._ops.parameter([-1, -1], ov.Type.i64, name=name)
            for name in ("input_ids", "attention_mask", "position_ids")
        }
        inputs["beam_idx"] = self._ops.parameter([-1], ov.Type.i32, name="beam_idx")
        for name, node in inputs.items():
            node.output(0).set_names({name})
        self._inputs = inputs
        self._rotary = self._rotation()
        self._mask = self._causal_mask()
        table = self._weight(decoder.tensors((EMBEDDING,))[EMBEDDING])
        hidden = self._embedded(table)
        for index in range(decoder.blocks):
            hidden = self._block(index, hidden)
        hidden = self._norm(hidden, decoder.tensors((NORM,))[NORM])
        if not decoder.is_tied:
            table = self._weight(decoder.tensors((HEAD,))[HEAD])
        logits = self._ops.matmul(hidden, table, False, True)
        logits.output(0).set_names({"logits"})
        result = self._ops.result(logits)
        return ov.Model([result], self._sinks, list(inputs.values()), "decoder")

    # --- parts of a block ---------------------------------------------------------------------

    def _block(self, index: int, hidden: Any) -> Any:
        tensors = self._decoder.block(index)
        ops = self._ops
        normed = self._norm(hidden, tensors["input_layernorm.weight"])
        hidden = ops.add(hidden, self._attention(index, normed, tensors))
        normed = self._norm(hidden, tensors["post_attention_layernorm.weight"])
        return ops.add(hidden, self._mlp(normed, tensors))

    def _attention(self, index: int, x: Any, tensors: dict[str, Tensor]) -> Any:
        ops, decoder = self._ops, self._decoder
        query = self._heads(x, tensors, "q", decoder.heads)
        key = self._heads(x, tensors, "k", decoder.groups)
        value = self._heads(x, tensors, "v", decoder.groups)
        listed = getattr(decoder.parsed, "no_rope_layers", None)
        if listed is None or listed[index]:
            query, key = self._rotated(query), self._rotated(key)
        key = self._repeated(self._cached(key, f"past_key_values.{index}.key"))
        value = self._repeated(self._cached(value, f"past_key_values.{index}.value"))
        attended = ops.scaled_dot_product_attention(
            query, key, value, self._mask, None, False
        )
        turned = ops.transpose(attended, self._ints(0, 2, 1, 3))
        width = decoder.heads * decoder.head_size
        merged = ops.reshape(turned, self._ints(0, 0, width), True)
        return self._linear(merged, tensors, "self_attn.o_proj")

    def _mlp(self, x: Any, tensors: dict[str, Tensor]) -> Any:
        gate = self._linear(x, tensors, "mlp.gate_proj")
        kind = self._decoder.parsed.hidden_act
        if kind == "silu":
            active = self._ops.swish(gate)
        else:
            active = self._ops.gelu(gate, "erf" if kind == "gelu" else "tanh")
        product = self._ops.multiply(active, self._linear(x, tensors, "mlp.up_proj"))
        return self._linear(product, tensors, "mlp.down_proj")

    def _heads(self, x: Any, tensors: dict[str, Tensor], part: str, count: int) -> Any:
        """Queries, keys or values by head; normed, where the family norms them."""
        flat = self._linear(x, tensors, f"self_attn.{part}_proj")
        shape = self._ints(0, 0, count, self._decoder.head_size)
        split = self._ops.reshape(flat, shape, True)
        norm = tensors.get(f"self_attn.{part}_norm.weight")
        if norm is not None:
            split = self._norm(split, norm)
        return self._ops.transpose(split, self._ints(0, 2, 1, 3))

    def _cached(self, new: Any, name: str) -> Any:
        """Keys or values of all tokens so far: the variable's, and the new ones behind them."""
        ops, decoder = self._ops, self._decoder
        batch = self._size("input_ids", 0)
        counts = (
            self._ints(decoder.groups),
            self._ints(0),
            self._ints(decoder.head_size),
        )
        empty = ops.broadcast(self._float(0.0), ops.concat([batch, *counts], 0))
        shape = [-1, decoder.groups, -1, decoder.head_size]
        variable = f"{name}present"
        past = ops.read_value(
            empty, variable, self._ov.Type.f32, self._ov.PartialShape(shape)
        )
        chosen = ops.gather(past, self._inputs["beam_idx"], self._ints(0, flat=True))
        whole = ops.concat([chosen, new], 2)
        self._sinks.append(ops.assign(whole, variable))
        return whole

    def _repeated(self, x: Any) -> Any:
        """Key-value heads, each as often as attention heads use it."""
        ops, decoder = self._ops, self._decoder
        times = decoder.heads // decoder.groups
        if times == 1:
            return x
        shape = ops.shape_of(x)
        axis = self._ints(0, flat=True)
        start = ops.gather(shape, self._ints(0, 1), axis)
        end = ops.gather(shape, self._ints(2, 3), axis)
        spread = ops.broadcast(
            ops.unsqueeze(x, self._ints(2, flat=True)),
            ops.concat([start, self._ints(times), end], 0),
            None,
            "bidirectional",
        )
        merged = self._ints(0, decoder.heads, -1, decoder.head_size)
        return ops.reshape(spread, merged, True)

    # --- positions ----------------------------------------------------------------------------

    def _rotation(self) -> tuple[Any, Any]:
        """The cosine and sine of each position, (batch, 1, length, head size)."""
        ops = self._ops
        rotary = streaming.rotary(self._decoder)
        frequencies = rotary.inv_freq.float().numpy()[None, None]
        positions = ops.convert(self._inputs["position_ids"], "f32")
        angles = ops.multiply(
            ops.unsqueeze(positions, self._ints(2)), self._floats(frequencies)
        )
        both = ops.concat([angles, angles], 2)
        scale = self._float(float(rotary.attention_scaling))
        parts = (ops.multiply(f(both), scale) for f in (ops.cos, ops.sin))
        cosine, sine = (ops.unsqueeze(part, self._ints(1)) for part in parts)
        return cosine, sine

    def _rotated(self, x: Any) -> Any:
        ops = self._ops
        cosine, sine = self._rotary
        half = self._decoder.head_size // 2
        low, high = ops.variadic_split(
            x, self._ints(3, flat=True), self._ints(half, half)
        ).outputs()
        turned = ops.concat([ops.multiply(high, self._float(-1.0)), low], 3)
        return ops.add(ops.multiply(x, cosine), ops.multiply(turned, sine))

    def _causal_mask(self) -> Any:
        """0 where a token attends and the lowest number elsewhere, (batch, 1, length, all)."""
        ops = self._ops
        new, whole = self._size("input_ids", 1), self._size("attention_mask", 1)
        zero, one = self._ints(0, flat=True), self._ints(1, flat=True)
        new, whole = (ops.squeeze(each, self._ints(0)) for each in (new, whole))
        columns = ops.range(zero, whole, one, "i64")
        rows = ops.range(ops.subtract(whole, new), whole, one, "i64")
        seen = ops.less_equal(columns, ops.unsqueeze(rows, self._ints(1)))
        real = ops.convert(self._inputs["attention_mask"], "boolean")
        allowed = ops.logical_and(
            ops.unsqueeze(real, self._ints(1, 2)), ops.unsqueeze(seen, self._ints(0, 1))
        )
        return ops.select(allowed, self._float(0.0), self._float(_LOWEST))

    # --- leaves -------------------------------------------------------------------------------

    def _embedded(self, table: Any) -> Any:
        ops = self._ops
        rows = ops.gather(table, self._inputs["input_ids"], self._ints(0, flat=True))
        if not self._decoder.family.scaled_embedding:
            return rows
        return ops.multiply(rows, self._float(self._decoder.parsed.hidden_size**0.5))

    def _linear(self, x: Any, tensors: dict[str, Tensor], name: str) -> Any:
        weight = self._weight(tensors[f"{name}.weight"])
        found = self._ops.matmul(x, weight, False, True)
        bias = tensors.get(f"{name}.bias")
        if bias is None:
            return found
        return self._ops.add(found, self._floats(bias.float().numpy()[None, None]))

    def _norm(self, x: Any, weight: Tensor) -> Any:
        """Divided by the root mean square of the last axis, and times the weight."""
        ops = self._ops
        gain = weight.float() + (1.0 if self._decoder.family.offset_norms else 0.0)
        squares = ops.power(x, self._float(2.0))
        mean = ops.reduce_mean(squares, self._ints(-1), True)
        epsilon = self._float(float(self._decoder.parsed.rms_norm_eps))
        root = ops.sqrt(ops.add(mean, epsilon))
        scaled = ops.multiply(x, ops.divide(self._float(1.0), root))
        return ops.multiply(scaled, self._floats(gain.numpy()))

    def _weight(self, tensor: Tensor) -> Any:
        """A matrix in its own precision, and the step to float32."""
        ov, ops = self._ov, self._ops
        tensor = tensor.contiguous()
        if tensor.dtype == torch.float32:
            return ops.constant(tensor.numpy())
        if tensor.dtype == torch.bfloat16:
            raw = tensor.view(torch.uint16).numpy()
            shared = ov.Tensor(raw, list(tensor.shape), ov.Type.bf16)
            stored = ops.constant(shared, shared_memory=False)
        else:
            stored = ops.constant(tensor.numpy())
        return ops.convert(stored, "f32")

    def _size(self, name: str, axis: int) -> Any:
        """One size of an input, as a tensor of one element."""
        shape = self._ops.shape_of(self._inputs[name])
        return self._ops.gather(shape, self._ints(axis), self._ints(0, flat=True))

    def _float(self, value: float) -> Any:
        return self._ops.constant(np.float32(value))

    def _floats(self, values: np.ndarray) -> Any:
        return self._ops.constant(values)

    def _ints(self, *values: int, flat: bool = False) -> Any:
        """Whole numbers as a tensor; a single one as a scalar where `flat`."""
        found = np.array(values[0] if flat else values, np.int64)
        return self._ops.constant(found)
