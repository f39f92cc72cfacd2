"""A trained network, wherever it comes from, as a `Program`.

A source is a module or folder here (or under `sources/` in a folder of `EDGEKIT_PLUGINS`) whose
`RECORD` is a `Source`. Only the module itself reads its files: it is found by scanning.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edgekit import plugins
from edgekit.errors import ModelError
from edgekit.sources import _foreign as foreign
from edgekit.suggestions import suggest_path
from edgekit.types import InputSpec, ModelSpec, Preprocess
from edgekit.types.data_notes import WeightsUnnamed

if TYPE_CHECKING:
    import torch

    from edgekit.program.program import Program

plugins.extend(__name__)


class Loader(Protocol):
    """Reads a network; see `load`."""

    def __call__(
        self,
        model: ModelSpec,
        *,
        root: Path,
        allow_pickle: bool,
        inputs: Sequence[InputSpec],
        dtypes: Sequence[torch.dtype],
    ) -> Program: ...


@dataclass(frozen=True, kw_only=True)
class Source:
    """One kind of place that networks come from. Importing its module loads no library."""

    form: str
    """Description of a `[model] source`: "a file ending in .pt2". Part of a sentence in
    errors."""
    recognizes: Callable[[str, Path], bool]
    """True where a reference, relative to a root, names one: by its form, or by the file's content.

    It runs for every reference, opens a file briefly, and raises nothing.
    """
    load: Loader
    find: Callable[[Path], str | None]
    """The first reference in a folder, relative to it, for `edgekit init`."""
    has_weights: bool
    """True where the trained weights are in the source itself."""
    has_inputs: bool
    """True where the source gives the shapes of its inputs."""
    has_free_sizes: bool = False
    """True where it may leave sizes besides the batch free, for `[model] input` to set."""
    has_named_tensors: bool = False
    """True where `[model] outputs` and `[model.fixed]` can name tensors of it."""
    has_custom_objects: bool = False
    """True where `[model] custom_objects` can name a file with layers of the author's own."""
    preprocess: Callable[[Path], Preprocess | None] = lambda path: None
    """Preprocessing of its inputs as the source itself describes it, for `edgekit init`."""


def load(
    model: ModelSpec,
    *,
    root: Path,
    allow_pickle: bool = False,
    inputs: Sequence[InputSpec] = (),
    dtypes: Sequence[torch.dtype] = (),
) -> Program:
    """The network that `model` names, its paths relative to `root`.

    `inputs`, of the dtypes they name unless `dtypes` overrides them, take the place of
    `model.input` where the source gives no shapes of its own. Raises `ModelError` for anything
    that cannot be found, read or exported.
    """
    from edgekit.program.modes import refuse_random

    source = recognized(model.source, root)
    if (model.outputs or model.fixed) and not source.has_named_tensors:
        named = " or ".join(s.form for s in known().values() if s.has_named_tensors)
        raise ModelError(
            f"[model] outputs and [model.fixed] name tensors of {named}, which "
            f"'{model.source}' is not. Remove them."
        )
    if model.custom_objects is not None and not source.has_custom_objects:
        named = " or ".join(s.form for s in known().values() if s.has_custom_objects)
        raise ModelError(
            f"[model] custom_objects has layers of {named}, which '{model.source}' is not. "
            "Remove it."
        )
    program = source.load(
        model, root=root, allow_pickle=allow_pickle, inputs=inputs, dtypes=dtypes
    )
    refuse_random(program.module.graph)
    return program


def file_of(model: ModelSpec, root: Path) -> Path:
    """The file that `model` names, for a source of files. Raises `ModelError` for none."""
    path = root / model.source
    if not path.is_file():
        raise ModelError(f"No file {path}.{suggest_path(path)} Check [model] source.")
    return path


def inputs_of(model: ModelSpec, given: Sequence[InputSpec]) -> tuple[InputSpec, ...]:
    """The inputs that a caller or else `[model]` gives; none where both are silent."""
    return tuple(given) or model.specs


def check_inputs(model: ModelSpec, loaded: Program, path: Path) -> None:
    """Raise `ModelError` where `[model]` declares other inputs than a file's."""
    known = {spec.name: spec for spec in loaded.inputs}
    one = loaded.inputs[0] if model.input is not None else None
    for spec in model.specs:
        found = one or known.get(spec.name)
        if found is None:
            raise ModelError(
                f"{path} has no input '{spec.name}'; it takes {', '.join(known)}. Correct "
                "[[model.inputs]]."
            )
        if found.shape != spec.shape:
            raise ModelError(
                f"{path} takes input shape {list(found.shape)} (images channels first), but "
                f"[model] input is {list(spec.shape)}. Remove it or correct it."
            )


def names_or_holds(
    reference: str,
    root: Path,
    suffixes: tuple[str, ...],
    holds: Callable[[Path], bool],
) -> bool:
    """True where a reference has one of `suffixes`, or its file is one that `holds` accepts.

    `holds` may raise what the reading of another kind of file raises.
    """
    if reference.endswith(suffixes):
        return True
    path = root / reference
    try:
        return path.is_file() and holds(path)
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False


def known() -> Mapping[str, Source]:
    """Every source by name."""
    return plugins.records(__name__, Source)


def matching(reference: str, root: Path) -> Source | None:
    """The source that recognizes a reference, relative to `root`; `None` where none does."""
    return next((s for s in known().values() if s.recognizes(reference, root)), None)


def recognized(reference: str, root: Path) -> Source:
    """As `matching`; raises `ModelError` that names the forms where no source matches."""
    found = matching(reference, root)
    if found is None:
        fix = foreign.advice(reference, root) or (
            f"{suggest_path(root / reference)} [model] source is {forms()}."
        )
        raise ModelError(f"Cannot load a network from '{reference}'.{fix}")
    return found


def forms() -> str:
    """Descriptions of all sources, as the end of a sentence: "a, b or c"."""
    *others, last = (source.form for source in known().values())
    return f"{', '.join(others)} or {last}" if others else last


def find(folder: Path) -> tuple[str, Source] | None:
    """A network in `folder` and its source; those that have their weights with them first."""
    ordered = sorted(known().values(), key=lambda source: not source.has_weights)
    found = ((source.find(folder), source) for source in ordered)
    return next(((name, source) for name, source in found if name is not None), None)


def unweighted(model: ModelSpec, root: Path) -> WeightsUnnamed | None:
    """The warning for a network without named weights, which may have been trained nowhere."""
    if model.weights is not None or recognized(model.source, root).has_weights:
        return None
    return WeightsUnnamed(source=model.source)
