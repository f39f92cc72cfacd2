"""Data of a `.pt2` of ours beside PyTorch's own: the inputs by the author's names, and ties.

PyTorch names inputs after the arguments of `forward`, and keeps a parameter that two layers share
as two. The note is a JSON file among the archive's extra files, which other readers pass over.
"""

from __future__ import annotations

import base64
import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from torch import fx, nn

from edgekit.types import InputSpec

NAME = "edgekit.json"
_MOST = 1 << 26
"""Bytes of a note; ours take a few hundred, and the tail of a file."""


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """The inputs of a program, and the names of its tied parameters."""

    inputs: tuple[InputSpec, ...]
    outputs: tuple[str, ...] = ()
    reads: tuple[int, ...] = ()
    """Numbers of the outputs that the task reads."""
    tied: tuple[tuple[str, ...], ...] = ()
    """Names of one parameter, for each that has several."""
    tail_base64: str | None = None
    """Operators of the network's file behind the outputs: see `Program.tail`."""

    @classmethod
    def of(
        cls,
        inputs: tuple[InputSpec, ...],
        outputs: tuple[str, ...],
        module: nn.Module,
        *,
        reads: tuple[int, ...],
        tail: bytes | None,
    ) -> Sidecar:
        """The note of a program."""
        encoded = None if tail is None else base64.b64encode(tail).decode("ascii")
        return cls(
            inputs=inputs,
            outputs=outputs,
            reads=reads,
            tied=_ties(module),
            tail_base64=encoded,
        )

    @property
    def tail(self) -> bytes | None:
        """The tail; raises `ValueError` where it is damaged."""
        text = self.tail_base64
        return None if text is None else base64.b64decode(text, validate=True)

    def extra_files(self) -> dict[str, str]:
        """For `torch.export.save`."""
        return {NAME: json.dumps(asdict(self), sort_keys=True)}


_ADAPTER: TypeAdapter[Sidecar] = TypeAdapter(Sidecar)


def read(path: Path) -> Sidecar | None:
    """The note in a `.pt2`; `None` where it is not of ours.

    Raises `ValueError` where the note is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename.partition("/")[2] == f"extra/{NAME}":
                if entry.file_size > _MOST:
                    raise ValueError(f"{NAME} of {entry.file_size} bytes")
                return _validated(archive.read(entry))
    return None


def _validated(text: bytes) -> Sidecar:
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError as error:
        raise ValueError(f"{NAME} is damaged: {error.errors()[0]['msg']}") from error


def applied(
    note: Sidecar, module: fx.GraphModule, inputs: tuple[InputSpec, ...]
) -> tuple[InputSpec, ...]:
    """The inputs of `module` by the note, instead of PyTorch's; parameters are tied again.

    Raises `ValueError` where the note is of another network.
    """
    if [spec.shape for spec in note.inputs] != [spec.shape for spec in inputs]:
        raise ValueError(f"{NAME} names other inputs than the network has")
    for names in note.tied:
        _tie(module, names)
    return note.inputs


def _tie(module: fx.GraphModule, names: tuple[str, ...]) -> None:
    """Have the names share the parameter of the first."""
    parameters = dict(module.named_parameters(remove_duplicate=False))
    found = [parameters.get(name) for name in names]
    shapes = {None if parameter is None else parameter.shape for parameter in found}
    if len(shapes) != 1 or None in shapes:
        raise ValueError(f"{NAME} ties {' and '.join(names)}, no one parameter")
    for name in names[1:]:
        place, _, leaf = name.rpartition(".")
        setattr(module.get_submodule(place), leaf, found[0])


def _ties(module: nn.Module) -> tuple[tuple[str, ...], ...]:
    names: dict[int, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return tuple(tuple(group) for group in names.values() if len(group) > 1)
