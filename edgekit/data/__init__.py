"""Data sets and the preprocessing contract: one spec in training, evaluation and on the device."""

from edgekit.data.dataset import Dataset, split
from edgekit.data.evaluate import evaluate
from edgekit.data.load import load
from edgekit.data.metrics import accuracy
from edgekit.data.preprocess import preprocess

__all__ = ["Dataset", "accuracy", "evaluate", "load", "preprocess", "split"]
