"""Every operator that networks call, alone in a network: which runtimes take it, and rightly."""

from benchmarks.operators import data, elements, images, layers, sequences
from benchmarks.operators.case import CASES, Case

__all__ = ["CASES", "Case", "data", "elements", "images", "layers", "sequences"]
