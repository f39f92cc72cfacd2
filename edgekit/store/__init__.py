"""The cache on disk: finished stages of builds, whole and verified, named by their inputs."""

from edgekit.store.entries import Outcome, Store, digest, key, remade, writing
from edgekit.store.shared import Shared
from edgekit.store.stages import (
    Json,
    Record,
    Stage,
    T,
    find,
    flat,
    keep,
    kept,
    listed,
    reason,
)

__all__ = [
    "Json",
    "Outcome",
    "Record",
    "Shared",
    "Stage",
    "Store",
    "T",
    "digest",
    "find",
    "flat",
    "keep",
    "kept",
    "key",
    "listed",
    "reason",
    "remade",
    "writing",
]
