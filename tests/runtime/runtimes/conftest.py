"""The networks, and the process that exports them, that tests of exports have too."""

from tests.runtime.export.conftest import (
    apart,
    convolutional_network,
    folder,
    made,
    network,
    two_inputs,
    want,
)

__all__ = [
    "apart",
    "convolutional_network",
    "folder",
    "made",
    "network",
    "two_inputs",
    "want",
]
