"""Properties of decoders that not every runtime expresses."""

from __future__ import annotations

from edgekit.decoders import streaming
from edgekit.decoders.decoder import Decoder

_VARYING = ("dynamic", "longrope")


def has_window(decoder: Decoder) -> bool:
    """Return whether some block attends to fewer tokens than the decoder takes."""
    parsed = decoder.parsed
    window = getattr(parsed, "sliding_window", None)
    listed = getattr(parsed, "layer_types", None)
    slides = window is not None if listed is None else "sliding_attention" in listed
    return slides and (window or 0) < parsed.max_position_embeddings


def varying_positions(decoder: Decoder) -> str | None:
    """The kind of rotary positions that differ by block or by length of the text, or `None`."""
    kind = getattr(streaming.rotary(decoder), "rope_type", None)
    if not isinstance(kind, str):
        return "by block"
    return kind if kind in _VARYING else None
