"""A trained network, wherever it comes from, as a `Program`."""

from edgekit.program.program import Program
from edgekit.sources.torch import load, unweighted

__all__ = ["Program", "load", "unweighted"]
