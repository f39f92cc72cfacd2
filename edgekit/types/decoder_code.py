"""The user's own decoder, as a bundle brings it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgekit.types.names import Count, Fraction, Text


@dataclass(frozen=True, kw_only=True)
class DecoderCode:
    """A Python function from one sample's output to boxes, in a file of the bundle.

    It needs NumPy alone, and nothing runs it unasked.
    """

    file: Literal["decoder.py"] = "decoder.py"
    function: Text
    sha256: str
    masks: bool
    """True where it finds a mask with each box."""
    confidence: Fraction
    """The least score of a box that the device returns."""
    most: Count
    """Boxes of one sample."""
