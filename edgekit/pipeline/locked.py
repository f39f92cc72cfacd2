"""The lock of a build: what it decided, and what its network depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import torch
from pydantic_core import to_jsonable_python

import edgekit
from edgekit.agent import machine
from edgekit.config import lock_file
from edgekit.cost.table import CostTable
from edgekit.errors import LockError
from edgekit.pipeline import stage_inputs
from edgekit.pipeline.evaluate import Benchmark, Evaluated, EvaluatedArtifact
from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.qat import SUFFIX
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.search import PrunedCandidate
from edgekit.program.program import Program
from edgekit.progress import Progress
from edgekit.store import digest, flat
from edgekit.types import Candidate, Recipe
from edgekit.types.build_lock import BuildLock, LockedFile
from edgekit.types.export_notes import OtherBytes
from edgekit.types.report import LockedChoice

_SHOWN = 3


def conditions(request: BuildRequest, loaded: Loaded) -> dict[str, str]:
    """Everything that the network and its files depend on, beside what a lock decides."""
    project, samples = request.project, loaded.samples
    recipe = project.recipe
    prune = (
        *("importance", "compensate", "reestimate_batch_norm"),
        *("sparsity", "sparsity_epochs"),
    )
    return flat(
        {
            "edgekit": edgekit.__version__,
            "seed": recipe.seed,
            "model": loaded.teacher.fingerprint(),
            "data": {
                "train": samples.train.fingerprint(),
                "validation": samples.validation.fingerprint(),
                "calibration": samples.calibrated.sha256,
            },
            "task": stage_inputs.of_task(project.task, project.root),
            "recipe": {
                "distill": recipe.distill,
                "prune": {name: getattr(recipe.prune, name) for name in prune},
                "export": recipe.export,
                "qat_epochs": recipe.quantize.qat_epochs,
            },
            "versions": stage_inputs.libraries(request.target.runtimes),
        }
    )


def here() -> dict[str, str]:
    """Conditions of the last bits of weights: the processor, and threads of training."""
    facts = machine.facts()
    return {
        "processor": str(facts["cpu"]),
        "instructions": " ".join(facts["isa"]),
        "threads": str(torch.get_num_threads()),
    }


def check(request: BuildRequest, loaded: Loaded) -> None:
    """Raise `LockError`, naming what differs, where the lock is of another network."""
    if request.locked is None:
        return
    then, now = request.locked.conditions, conditions(request, loaded)
    names = [n for n in dict.fromkeys((*then, *now)) if then.get(n) != now.get(n)]
    if names:
        listed = "; ".join(
            f"{name} was {_text(then, name)} and is {_text(now, name)}"
            for name in names[:_SHOWN]
        )
        more = f"; and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise LockError(
            f"{lock_file.FILE} was written for something else: {listed}{more}. "
            f"{_fix(names[0], then)}, or build without --locked to write a new lock."
        )


def _fix(name: str, then: Mapping[str, str]) -> str:
    head, _, package = name.partition(".")
    if head == "versions" and package not in ("machine", ""):
        return f"Install it: pip install {package}=={_text(then, name)}"
    return "Restore it"


def _text(values: Mapping[str, str], name: str) -> str:
    return values.get(name, "none").strip('"')


def lock_of(
    request: BuildRequest,
    loaded: Loaded,
    pruned: PrunedCandidate,
    timed: Benchmark,
    student: Program,
) -> BuildLock:
    """The lock of a finished build, whose chosen file is of the network `student`."""
    chosen = timed.chosen.artifact
    locked = request.locked
    return BuildLock(
        conditions=conditions(request, loaded),
        machine=here(),
        costs=locked.costs if locked else _costs(pruned.table),
        cuts=pruned.cuts,
        rounding=any(c.artifact.name.endswith(SUFFIX) for c in timed.candidates),
        student=student.fingerprint(),
        files={one.artifact.name: _file(one) for one in timed.candidates},
        chosen=chosen.name,
        options=chosen.runtime_options,
    )


def _costs(table: CostTable) -> str:
    text = json.dumps(to_jsonable_python(asdict(table.state())))
    return f"{table.provenance} {hashlib.sha256(text.encode()).hexdigest()}"


def _file(candidate: Candidate) -> LockedFile:
    artifact, how = candidate.artifact, candidate.artifact.quantized
    return LockedFile(
        runtime=artifact.runtime,
        precision=artifact.precision or "fp32",
        quantizer=how.quant_config if how else None,
        equalized=bool(how and how.without_equalization),
        sha256={"".join(file.suffixes): digest(file) for file in artifact.files},
    )


def settled(recipe: Recipe, locked: BuildLock | None) -> Recipe:
    """The recipe with nothing left to decide after the cuts."""
    if locked is None:
        return recipe
    qat: Literal["always", "never"] = "always" if locked.rounding else "never"
    return replace(
        recipe,
        quantize=replace(recipe.quantize, qat=qat),
        bench=replace(recipe.bench, runtime_options_s=0.0),
    )


def with_options(
    evaluated: tuple[Evaluated, ...], locked: BuildLock | None
) -> tuple[Evaluated, ...]:
    """The same with the runtime's options that the chosen file had."""
    if locked is None:
        return evaluated
    return tuple(
        replace(one, artifact=replace(one.artifact, runtime_options=locked.options))
        if isinstance(one, EvaluatedArtifact) and one.artifact.name == locked.chosen
        else one
        for one in evaluated
    )


def chosen_again(timed: Benchmark, locked: BuildLock | None) -> Benchmark:
    """The same with the file chosen that the lock names.

    Raises `LockError` where it is not among the candidates.
    """
    if locked is None:
        return timed
    names = [one.artifact.name for one in timed.candidates]
    if locked.chosen not in names:
        raise LockError(
            f"{lock_file.FILE} chose {locked.chosen}, and here are {', '.join(names)}. "
            "Build without --locked to write a new lock."
        )
    candidates = tuple(
        replace(one, chosen=True, outcome=LockedChoice())
        if one.artifact.name == locked.chosen
        else replace(one, chosen=False)
        for one in timed.candidates
    )
    return replace(timed, candidates=candidates)


def verify(made: BuildLock, locked: BuildLock | None) -> tuple[OtherBytes, ...]:
    """The note of files that differ from those of the lock because the machine does.

    Raises `LockError` where they differ and the machine does not.
    """
    if locked is None:
        return ()
    names = [
        name
        for name, one in locked.files.items()
        if name not in made.files or made.files[name].sha256 != one.sha256
    ]
    differs = [n for n, v in locked.machine.items() if made.machine.get(n) != v]
    if names and not differs:
        raise LockError(
            f"{', '.join(names)} is not what {lock_file.FILE} has, though versions, data and "
            "machine are the same. Build without --locked to write a new lock."
        )
    return (OtherBytes(files=tuple(names), machine=tuple(differs)),) if names else ()


def write(request: BuildRequest, lock: BuildLock, folder: Path) -> None:
    """Write the lock into the bundle's `folder`."""
    lock_file.write(folder, request.target.name, lock)


def publish(request: BuildRequest, lock: BuildLock, progress: Progress) -> None:
    """Write the lock beside the project, where the request has a place and made the lock.

    A folder that cannot be written costs no bundle: the lock is in it.
    """
    if request.lock_folder is None or request.locked is not None:
        return
    try:
        lock_file.write(request.lock_folder, request.target.name, lock)
    except OSError as error:
        progress.say(
            f"Cannot write {request.lock_folder / lock_file.FILE} ({error.strerror}): "
            "the lock is in the bundle alone"
        )
