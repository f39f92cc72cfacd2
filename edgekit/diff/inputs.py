"""The two sides of a comparison, and its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter

from edgekit import data, sources
from edgekit.bench.artifact import artifact_at
from edgekit.bundle_files import MANIFEST, read_manifest, vouched
from edgekit.config import project
from edgekit.config.project import Project
from edgekit.data.preprocess import preprocess
from edgekit.data.request import Request, requested
from edgekit.data.text_input import text_input_of
from edgekit.diff.preprocessing_faults import Scene
from edgekit.errors import DataError, UsageError
from edgekit.program import program as programs
from edgekit.program import tokenizer
from edgekit.program.feeds import Feeds
from edgekit.program.io_fusion import folded
from edgekit.program.program import Program
from edgekit.runtimes.contract import read
from edgekit.safe_io import read_arrays, reading
from edgekit.types import (
    DEFAULT_TASK,
    Artifact,
    IOFusion,
    ModelSpec,
    Preprocess,
    TaskKind,
    TextSpec,
)

Array = NDArray[np.float32]
STUDENT = "student.pt2"
_RAW = Preprocess(scale=1.0, mean=(0.0,), std=(1.0,))
"""Leaves values as they are."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """The user's request; `None` is found by itself."""

    artifact: Path
    against: Path | None = None
    folder: Path = Path()
    samples: Path | None = None
    preprocessed: Path | None = None
    answers: Path | None = None
    count: int = 32
    tolerance: float | None = None
    runtime: str | None = None
    allow_pickle: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """An artifact, the network it should be, and samples for both."""

    artifact: Artifact
    program: Program
    reference: str
    """Name of the network."""
    feeds: Sequence[Array]
    """Prepared samples (n, *shape), by input."""
    scene: Scene | None = None
    """The raw samples behind them, where there is one input and preprocessing is known."""
    labels: NDArray[np.int64] | None = None
    folding: IOFusion = field(default_factory=IOFusion)
    """Steps of the artifact besides the network."""
    kind: TaskKind | None = None
    """That of the project, or of the artifact; `None` where neither has one."""
    contract: dict[str, Any] = field(default_factory=dict)
    """Metadata of the artifact; empty where it has none."""
    spec: Preprocess | None = None
    """Preprocessing of the project's samples, wherever that is done."""


def subject(question: Question) -> Subject:
    """Find both sides and the samples; raises `UsageError` where one cannot be found."""
    path, manifest = _located(question.artifact)
    artifact = artifact_at(path, question.runtime)
    one = _project(question, manifest)
    program, reference = _reference(question, path, one)
    contract = read(path) or (manifest or {}).get("contract", {})
    network, folding = _reading(program, contract), _folding(contract)
    _check_names(folding, network)
    program = folded(network, folding)
    kind = _kind(one, contract)
    whole = spec = _preprocess(one, contract, folding)
    if spec is not None and folding.preprocess is not None:
        spec = replace(_RAW, color=spec.color, resize=spec.resize)
    if len(program.inputs) > 1:
        feeds = _many(question, network, one, folding)
        return Subject(
            artifact=artifact,
            program=program,
            reference=reference,
            feeds=feeds,
            folding=folding,
            kind=kind,
        )
    raw, labels, origin = _raw(question, program, one, spec)
    if spec is None or raw.dtype.kind in "iu":  # tokens are taken as they are
        return Subject(
            artifact=artifact,
            program=program,
            reference=reference,
            feeds=[raw],
            labels=labels,
            folding=folding,
            kind=kind,
        )

    def resized(kernel: str) -> Array | None:
        if origin is None:
            return None
        other = origin(replace(_RAW, color=spec.color, resize=kernel))  # type: ignore[arg-type]
        return None if np.array_equal(other, raw) else other

    return Subject(
        artifact=artifact,
        program=program,
        reference=reference,
        feeds=[preprocess(raw, spec)],
        scene=Scene(raw=raw, spec=spec, resized=resized),
        labels=labels,
        folding=folding,
        kind=kind,
        contract=contract,
        spec=whole,
    )


def in_memory(
    artifact: Artifact,
    program: Program,
    inputs: Feeds,
    labels: NDArray[np.int64] | None,
) -> Subject:
    """Both sides with a network and its prepared inputs, (n, *shape) each, from memory.

    Raises `UsageError` where the artifact prepares raw samples itself.
    """
    contract = read(artifact.files[0]) or {}
    folding = _folding(contract)
    if folding.prepares:
        raise UsageError(
            f"{artifact.name} prepares raw samples itself, and samples in memory are prepared. "
            "Name raw ones: edgekit.diff(artifact, 'student.pt2', samples='raw.npy')."
        )
    return Subject(
        artifact=artifact,
        program=folded(_reading(program, contract), folding),
        reference="the network",
        feeds=inputs,
        labels=labels,
    )


def load_array(path: Path) -> Any:
    """The array of a `.npy`, or the first of a `.npz`; raises `DataError`."""
    fix = "Write it with numpy.save: one array (n, ...)."
    found = next(iter(read_arrays(path, DataError, fix=fix).values()), None)
    if found is None:
        raise DataError(f"{path} holds no array. {fix}")
    if found.dtype.kind not in "fiub" or found.ndim < 2 or not len(found):
        raise DataError(
            f"{path} holds {found.dtype} of shape {list(found.shape)}; an array of n samples "
            "(n, ...) is wanted."
        )
    return found


# --- where things are -------------------------------------------------------------------------


def _located(path: Path) -> tuple[Path, dict[str, Any] | None]:
    """The artifact's file, and the manifest of the bundle it belongs to."""
    if path.is_dir():
        if not (path / MANIFEST).is_file():
            raise UsageError(
                f"{path} has no {MANIFEST}: it is not a bundle. Name a file."
            )
        manifest, known = read_manifest(path)
        if not known.model.files:
            raise UsageError(f"{path} names no model. Name the artifact's file.")
        there = [name for name in (STUDENT, tokenizer.FILE) if (path / name).exists()]
        model, *_ = vouched(path, known, (*known.model.files, *there))
        return model, manifest
    for folder in path.absolute().parents[:2]:
        if (folder / MANIFEST).is_file():
            return path, read_manifest(folder)[0]
    return path, None


def _project(question: Question, manifest: dict[str, Any] | None) -> Project | None:
    """The project in the folder; the embedded example for a bundle that was built from it."""
    if (question.folder / project.FILE).is_file():
        return project.load(question.folder)
    if question.folder != Path():
        raise UsageError(f"No {question.folder / project.FILE}.")
    example = project.example()
    if manifest is not None and manifest["project"] == example.name:
        return example
    return None


def _reference(
    question: Question, path: Path, one: Project | None
) -> tuple[Program, str]:
    """The network as the user names it, else the bundle's student, else the project's."""
    if question.against is not None:
        return _named(question.against, one, question.allow_pickle)
    for folder in path.absolute().parents[:2]:
        if (folder / STUDENT).is_file():
            found = folder / STUDENT
            student = programs.load(found, allow_pickle=question.allow_pickle)
            return replace(student, tokenizer=tokenizer.read(folder)), STUDENT
    if one is None:
        raise UsageError(
            f"No network to compare {path} with: no {STUDENT} beside it and no "
            f"{project.FILE} here. Name it: --against student.pt2"
        )
    loaded = sources.load(one.model, root=one.root, allow_pickle=question.allow_pickle)
    return loaded, one.model.source


def _named(
    against: Path, one: Project | None, allow_pickle: bool
) -> tuple[Program, str]:
    """The network that --against names; a function's input shape is the project's."""
    reference = str(against)
    source = sources.matching(reference, Path())
    if source is None:
        raise UsageError(
            f"--against {reference} names no network. Give {sources.forms()}."
        )
    own = None if source.has_inputs or one is None else one.model
    model = (
        ModelSpec(source=reference)
        if own is None
        else ModelSpec(source=reference, input=own.input, inputs=own.inputs)
    )
    return sources.load(model, root=Path(), allow_pickle=allow_pickle), reference


def _reading(program: Program, contract: dict[str, Any]) -> Program:
    """The network with the outputs that the artifact's task reads."""
    known = [one["name"] for one in contract.get("outputs", ())]
    if sorted(known) == sorted(program.output_names):
        known = list(program.output_names)
    reads = tuple(known.index(n) for n in contract.get("reads", ()) if n in known)
    fits = reads and max(reads) < len(program.output_names)
    return replace(program, reads=reads) if fits else program


def _folding(contract: dict[str, Any]) -> IOFusion:
    """Steps of the artifact besides the network, by its metadata."""
    with reading("the contract in the artifact", UsageError):
        return TypeAdapter(IOFusion).validate_python(contract.get("folded") or {})


def _check_names(folding: IOFusion, network: Program) -> None:
    names = [spec.name for spec in network.inputs]
    strange = next((x.name for x in folding.inputs if x.name not in names), None)
    if strange is not None:
        raise UsageError(
            f"The artifact prepares '{strange}' itself, and the network takes "
            f"{', '.join(names)}. Name the network that it was made from."
        )


def _kind(one: Project | None, contract: dict[str, Any]) -> TaskKind | None:
    if one is not None:
        return one.task.kind
    with reading("the contract in the artifact", UsageError):
        return TypeAdapter(TaskKind | None).validate_python(contract.get("task"))


def _preprocess(
    one: Project | None, contract: dict[str, Any], folding: IOFusion
) -> Preprocess | None:
    """From raw samples to the network's input, be it in the file or before it."""
    if one is not None:
        return one.data.preprocess
    if folding.preprocess is not None:
        return folding.preprocess
    given = dict(contract.get("preprocessing") or {})
    given.pop("formula", None)
    if not given:
        return None
    with reading("the contract in the artifact", UsageError):
        return TypeAdapter(Preprocess).validate_python(given)


# --- samples ----------------------------------------------------------------------------------


def _raw(
    question: Question, program: Program, one: Project | None, spec: Preprocess | None
) -> tuple[NDArray[Any], NDArray[Any] | None, Any]:
    """Raw samples, their classes, and how to read them again with another preprocessing."""
    keep = _RAW if spec is None else replace(_RAW, color=spec.color, resize=spec.resize)
    paired = [p for p in (question.preprocessed, question.answers) if p is not None]
    rows = min((len(load_array(path)) for path in paired), default=None)
    if question.samples is not None and question.samples.suffix == ".npy":
        values = load_array(question.samples)
        expected = program.inputs[0].shape
        if values.shape[1:] != expected:
            raise DataError(
                f"{question.samples} has samples of shape {list(values.shape[1:])}; the "
                f"network takes {list(expected)}."
            )
        return values[_rows(len(values), rows, question)].astype(np.float32), None, None
    if question.samples is not None:
        place, root = str(question.samples.absolute()), Path()
    elif one is not None:
        place, root = one.data.test, one.root
    else:
        raise UsageError(
            f"No samples: no {project.FILE} here. Name some: --samples FILE.npy, raw as the "
            "network's data are."
        )

    def read(how: Preprocess) -> data.Dataset:
        kind = DEFAULT_TASK if one is None else one.task.kind
        given = program.specs[0]
        if program.dtypes[0] == torch.uint8:  # of a file that prepares images itself
            given = program.inputs[0]
        request = Request.of_one(given, how, kind=kind)
        text = TextSpec() if one is None else one.data.text
        how_read = text_input_of(program, text, root)
        return data.read(place, root=root, request=replace(request, text=how_read))

    first = read(keep)
    chosen = _rows(len(first), rows, question)
    raw, targets = first.arrays(chosen)
    classed = first.classed and bool((targets >= 0).all())
    labels = targets if classed else None
    return raw, labels, lambda how: read(how).arrays(chosen)[0]


def _rows(available: int, paired: int | None, question: Question) -> NDArray[np.int64]:
    """Indices of samples: the first ones beside a file of the application's, else spread over
    all."""
    if paired is None:
        few = np.linspace(0, available - 1, min(question.count, available))
        return np.unique(few.astype(np.int64))
    if paired > available:
        raise DataError(
            f"The application's file has {paired} rows and there are {available} samples. Row "
            "by row they must be of the same samples: name those with --samples."
        )
    return np.arange(min(paired, question.count))


def _many(
    question: Question, program: Program, one: Project | None, folding: IOFusion
) -> Sequence[Array]:
    """An array for each input, by name or in order; without any, the project's test samples,
    raw where the artifact prepares them."""
    names = [spec.name for spec in program.inputs]
    if question.samples is None and one is not None:
        inputs = requested(program, one.model, one.data.preprocess)
        text = text_input_of(program, one.data.text, one.root)
        request = Request(inputs=inputs, labels=None, kind=one.task.kind, text=text)
        found = data.read(one.data.test, root=one.root, request=request)
        raw = [each is not None for each in folding.raw(names)]
        return found.unprepared(raw).feeds(_rows(len(found), None, question))[0]
    if question.samples is None or question.samples.suffix != ".npz":
        raise UsageError(
            f"The network has {len(names)} inputs ({', '.join(names)}): name a .npz with an "
            "array (n, ...) for each: --samples FILE.npz"
        )
    arrays = read_arrays(question.samples, DataError)
    if len(arrays) != len(names):
        raise DataError(
            f"{question.samples} has {len(arrays)} arrays; the network has {len(names)} "
            f"inputs: {', '.join(names)}."
        )
    ordered = (
        [arrays[name] for name in names]
        if set(names) == set(arrays)
        else list(arrays.values())
    )
    return [array[: question.count] for array in ordered]
