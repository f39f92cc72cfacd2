"""Data sets and the preprocessing contract: one spec in training, evaluation and on the device."""

from edgekit.data.dataset import Dataset
from edgekit.data.load import load, read
from edgekit.data.preprocess import preprocess
from edgekit.data.splits import split
from edgekit.tasks.scores import accuracy

__all__ = ["Dataset", "accuracy", "load", "preprocess", "read", "split"]
