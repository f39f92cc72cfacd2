"""Operators of a file behind a network's outputs, which runtimes of its format can put back."""

from __future__ import annotations

OUTPUTS = "edgekit_outputs"
"""Key of a tail's metadata: the file's outputs in order, as JSON. Those that are among the tail's
inputs are the network's own."""
MARK = "-complete"
"""Ends the stem of a file that has its tail again."""
