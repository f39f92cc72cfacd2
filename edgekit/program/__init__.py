"""The exported program: the one representation of a network that every stage takes."""

from edgekit.program.program import Program

__all__ = ["Program"]
