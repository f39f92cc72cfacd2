"""Records of networks, files and arrays in the store."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter
from safetensors.numpy import load_file, save_file

from edgekit.export.publish import complete_files
from edgekit.program.program import Program, load
from edgekit.types import Artifact

Array = npt.NDArray[Any]
_NETWORK, _ARTIFACT, _ARRAYS = "network.pt2", "artifact.json", "arrays.safetensors"
_ARTIFACTS: TypeAdapter[Artifact] = TypeAdapter(Artifact)


class NetworkRecord:
    """A network as a `.pt2`: raw tensors and JSON."""

    def write(self, value: Program, folder: Path) -> None:
        """Write the network."""
        value.save(folder / _NETWORK)

    def read(self, folder: Path) -> Program:
        """The network, with parameters of its own."""
        return load(folder / _NETWORK)


class ArraysRecord:
    """Arrays by name, as safetensors."""

    def write(self, value: dict[str, Array], folder: Path) -> None:
        """Write the arrays."""
        # A file of its names and arrays alone: the order is theirs again.
        numbered = {
            f"{number:06}": np.ascontiguousarray(array)
            for number, array in enumerate(value.values())
        }
        (folder / "names.json").write_text(json.dumps([*value]), encoding="utf-8")
        save_file(numbered, folder / _ARRAYS)

    def read(self, folder: Path) -> dict[str, Array]:
        """The arrays, in the order that they were given in."""
        names = json.loads((folder / "names.json").read_text(encoding="utf-8"))
        arrays = load_file(folder / _ARRAYS)
        return dict(zip(names, (arrays[one] for one in sorted(arrays)), strict=True))


class ArtifactRecord:
    """An artifact with its files, the ones that end with its tail among them."""

    def write(self, value: Artifact, folder: Path) -> None:
        """Copy the files, and write what is known of them."""
        named = replace(value, files=tuple(Path(file.name) for file in value.files))
        copy_files(value, folder)
        text = _ARTIFACTS.dump_json(named).decode()
        (folder / _ARTIFACT).write_text(text, encoding="utf-8")

    def read(self, folder: Path) -> Artifact:
        """The artifact; its files are the store's, and must not be written to."""
        found = _ARTIFACTS.validate_json((folder / _ARTIFACT).read_bytes())
        return replace(found, files=tuple(folder / file for file in found.files))


def copy_files(artifact: Artifact, folder: Path) -> Artifact:
    """The same artifact in another folder, with the files that end with its tail."""
    folder.mkdir(parents=True, exist_ok=True)
    files = tuple(folder / file.name for file in artifact.files)
    complete = [file for file in complete_files(artifact.files) if file.is_file()]
    for source in (*artifact.files, *complete):
        if source.parent != folder:
            shutil.copyfile(source, folder / source.name)
    return replace(artifact, files=files)
