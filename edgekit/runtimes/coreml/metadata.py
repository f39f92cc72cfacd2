"""Metadata of a Core ML package: the strings that its model has for its author."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import RuntimeMissing
from edgekit.runtimes.contract import KEY, Contract
from edgekit.runtimes.coreml import archive
from edgekit.runtimes.coreml.logs import unlogged


def model_of(path: Path) -> Any:
    """The model's description in a package; raises `RuntimeMissing` without coremltools."""
    return _parsed(archive.read(path)[archive.MODEL])


def put(path: Path, out: Path, values: Mapping[str, str]) -> None:
    """Write the package at `path` to `out` with `values` in its model."""
    files = archive.read(path)
    model = _parsed(files[archive.MODEL])
    model.description.metadata.userDefined.update(values)
    files[archive.MODEL] = model.SerializeToString(deterministic=True)
    archive.write(out, archive.name_for(out), files.items())


def embed(path: Path, out: Path, contract: Contract, text: str) -> None:
    """Write the file at `path` to `out` with `text` in it."""
    put(path, out, {KEY: text})


def extract(path: Path) -> str | None:
    """The text in the file; `None` where it holds none."""
    found: str | None = model_of(path).description.metadata.userDefined.get(KEY)
    return found


def _parsed(content: bytes) -> Any:
    try:
        with unlogged():
            from coremltools.proto import Model_pb2
    except ImportError as error:
        raise RuntimeMissing(
            "Core ML packages are read by coremltools: pip install 'edgekit[coreml]'"
        ) from error
    model = Model_pb2.Model()
    model.ParseFromString(content)
    return model
