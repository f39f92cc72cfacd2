"""A trained network, wherever it comes from, as a `Program`."""

from edgekit.source.program import Program
from edgekit.source.torch import load, unweighted

__all__ = ["Program", "load", "unweighted"]
