"""Cuts a decoder's folder into a smaller one, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgekit.decoders import folder_writer
from edgekit.decoders.decoder import (
    EMBEDDING,
    HEAD,
    NORM,
    PER_BLOCK,
    Decoder,
    block_prefix,
    read,
)
from edgekit.decoders.decoder_cut import DecoderCut
from edgekit.errors import ModelError
from edgekit.progress import Progress, Silent
from edgekit.safe_io import read_json, reading

_UNIT_ROWS = ("mlp.gate_proj.", "mlp.up_proj.")
_UNIT_COLUMNS = "mlp.down_proj.weight"
_HEAD_ROWS = "self_attn.q_proj."
_GROUP_ROWS = ("self_attn.k_proj.", "self_attn.v_proj.")
_HEAD_COLUMNS = "self_attn.o_proj.weight"
_PATTERNS = ("sliding_window_pattern", "no_rope_layer_interval")
"""Keys that describe the lists of blocks by a rule, which a cut breaks."""


def cut(
    decoder: Decoder, plan: DecoderCut, out: Path, progress: Progress | None = None
) -> Decoder:
    """Write the folder of the smaller decoder, in the precision of the uncut one, and open it.

    Raises `OutputError` where `out` has files in it, or cannot be written.
    """
    with (progress or Silent()).step("Cutting") as step:

        def shards() -> Iterator[dict[str, Tensor]]:
            ends = [name for name in (EMBEDDING, NORM, HEAD) if name in decoder.shapes]
            yield decoder.tensors(ends)
            for place, kept in enumerate(plan.blocks):
                step.update(place, len(plan.blocks))
                small = cut_block(
                    decoder.block(kept.index),
                    kept.units,
                    _expanded(kept.groups, decoder.head_size),
                    _heads(kept.groups, decoder),
                )
                yield {f"{block_prefix(place)}{n}": t for n, t in small.items()}

        config = cut_config(decoder, plan)
        kept = [each.index for each in plan.blocks]
        folder_writer.write(out, config, shards(), files_of=decoder.folder, kept=kept)
    return read(out)


def kept_blocks(folder: Path) -> tuple[int, ...]:
    """The numbers of a cut folder's blocks in the decoder that they were cut from.

    Raises `ModelError` for a folder that `cut` did not write.
    """
    path = folder / folder_writer.CUT
    found = read_json(path, ModelError, fix="Name a folder that was cut.")
    with reading(path, ModelError, kind="the record of a cut"):
        blocks = tuple(int(index) for index in found["blocks"])
        if list(blocks) != sorted(set(blocks)):
            raise ValueError("blocks are not in ascending order")
        return blocks


def cut_block(
    tensors: dict[str, Tensor],
    units: Sequence[int],
    group_rows: Sequence[int],
    head_rows: Sequence[int],
) -> dict[str, Tensor]:
    """A block's tensors with the given units of the MLP, rows of keys and values, and rows of
    queries."""
    rows = {
        **dict.fromkeys(_UNIT_ROWS, torch.tensor(units)),
        **dict.fromkeys(_GROUP_ROWS, torch.tensor(group_rows)),
        _HEAD_ROWS: torch.tensor(head_rows),
    }
    columns = {
        _UNIT_COLUMNS: torch.tensor(units),
        _HEAD_COLUMNS: torch.tensor(head_rows),
    }

    def kept(name: str, tensor: Tensor) -> Tensor:
        if name in columns:
            return tensor[:, columns[name]]
        found = next((r for start, r in rows.items() if name.startswith(start)), None)
        return tensor if found is None else tensor[found]

    return {name: kept(name, tensor).contiguous() for name, tensor in tensors.items()}


def cut_config(decoder: Decoder, plan: DecoderCut) -> dict[str, Any]:
    """`config.json` of the smaller decoder: sizes, and the lists with an entry a block."""
    sizes = plan.sizes
    indices = [kept.index for kept in plan.blocks]
    made = {key: v for key, v in decoder.config.items() if key not in _PATTERNS}
    made |= {
        "num_hidden_layers": sizes.blocks,
        "intermediate_size": sizes.mlp_width,
        "num_attention_heads": decoder.heads // decoder.groups * sizes.groups,
        "num_key_value_heads": sizes.groups,
        "head_dim": decoder.head_size,
    }
    for key in PER_BLOCK:
        listed = getattr(decoder.parsed, key, None)
        if listed is not None:
            made[key] = [listed[index] for index in indices]
    if "max_window_layers" in made:
        first = int(made["max_window_layers"])
        made["max_window_layers"] = sum(index < first for index in indices)
    return made


def _heads(groups: Sequence[int], decoder: Decoder) -> list[int]:
    """The rows of the queries of key-value heads."""
    return _expanded(groups, decoder.heads // decoder.groups * decoder.head_size)


def _expanded(parts: Sequence[int], size: int) -> list[int]:
    """The numbers of the elements in parts of a size."""
    return [part * size + inner for part in parts for inner in range(size)]
