"""Files for a runtime, and how good they and networks are on data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, overload

import numpy as np

from edgekit.agent.arrays import of_network
from edgekit.api.datasets import Data, as_data
from edgekit.api.environment import folder_at, profile
from edgekit.api.metrics import Score, metric_of
from edgekit.api.networks import Network, load
from edgekit.data.text_input import text_input_of
from edgekit.devices.resolve import attached
from edgekit.errors import ArtifactError, DeviceError, UsageError
from edgekit.evaluate.accuracy import evaluate as evaluate_network
from edgekit.evaluate.run import infer_all
from edgekit.export.quantization_accuracy import Validation
from edgekit.export.workers import Variant, conversions_for, export_all, offered
from edgekit.program import tokenizer
from edgekit.program.program import Program
from edgekit.program.tokenizer import Tokenizer
from edgekit.progress import Logged, Progress, Step
from edgekit.runtimes import registry
from edgekit.runtimes.protocol import QUANTIZED
from edgekit.scratch import write
from edgekit.tasks.reading import numbers, selected
from edgekit.types import (
    Artifact,
    Evaluation,
    InputSpec,
    Precision,
    Recipe,
    RuntimeName,
    Target,
    TextSpec,
)

_JUDGES = 400
"""Number of samples that suffice to detect a loss of half a point."""


def export(  # noqa: PLR0913
    network: Network,
    *,
    target: str | Target,
    precisions: Sequence[Precision] | None = None,
    runtimes: Sequence[RuntimeName] | None = None,
    calibration: Any = None,
    out: str | Path = "exported",
    recipe: Recipe | None = None,
    progress: Progress | None = None,
) -> tuple[Artifact, ...]:
    """Write a network for a target's runtimes into the folder `out`, a file a precision.

    `precisions` and `runtimes` are the target's own where they are not given; `calibration` is
    `Data`, or anything that a part of it can be, and int8 needs it. Samples that are labeled for
    the task judge what int8 loses, and layers that lose too much stay in float (see
    `recipe.quantize`). The files appear together or not at all. Raises `ArtifactError` for what a
    format cannot hold, `DeviceError` for a runtime that the target does not have, `OutputError`
    where the folder cannot be written.

    A network of texts leaves its `tokenizer.json` beside them.
    """
    found = profile(target)
    return _exported(
        network,
        _requested_variants(found, runtimes, precisions),
        calibration=calibration,
        out=out,
        recipe=recipe or Recipe(),
        step=(progress or Logged()).step(f"Export for {found.name}"),
    )


def quantize(  # noqa: PLR0913
    network: Network | str | Path,
    *,
    runtime: RuntimeName,
    calibration: Any,
    precision: Precision = "int8",
    out: str | Path = "quantized",
    recipe: Recipe | None = None,
    progress: Progress | None = None,
) -> Artifact:
    """Write a network, or a `.pt2` file, as one quantized file for a runtime into `out`.

    `calibration` is `Data`, or anything that a part of it can be: the ranges of activations
    come from it. Samples that are labeled for the task measure what the metric loses, and layers
    that lose more than `recipe.quantize.allowed_loss` stay in float; `Artifact.quantized` records
    the trials. Raises `UsageError` for a precision without integers, `ArtifactError` where the
    format lacks the precision or the runtime refuses the file, `OutputError` where the folder
    cannot be written.
    """
    if precision not in QUANTIZED:
        raise UsageError(
            f"precision = {precision!r} quantizes nothing. Choose "
            f"{', '.join(QUANTIZED[:-1])} or {QUANTIZED[-1]}, or export the network: "
            "edgekit.export."
        )
    held = network if isinstance(network, Network) else load(network)
    [made] = _exported(
        held,
        [(registry.get(runtime).format, precision)],
        calibration=calibration,
        out=out,
        recipe=recipe or Recipe(),
        step=(progress or Logged()).step(f"Quantize for {runtime}"),
    )
    return made


def _exported(
    network: Network,
    variants: Sequence[Variant],
    *,
    calibration: Any,
    out: str | Path,
    recipe: Recipe,
    step: AbstractContextManager[Step],
) -> tuple[Artifact, ...]:
    """Export the variants of a network, with samples for ranges and for the loss of int8."""
    program = network.program
    data = None if calibration is None else as_data(calibration)
    drawn = None
    if data:
        drawn = data.calibrated(program, recipe.calibration.preset)
    with step as shown:
        done: list[str] = []

        def on_done(name: str) -> None:
            done.append(name)
            shown.update(len(done), len(variants), name)

        made = export_all(
            program,
            variants,
            calibration=drawn.feeds if drawn else None,
            folder=folder_at(out),
            validation=_judges(program, data, recipe) if data else None,
            channels_last=recipe.export.litert_layout == "nhwc",
            on_done=on_done,
        )
    _write_tokenizer(program, data.text if data else TextSpec(), folder_at(out))
    return tuple(made)


def _requested_variants(
    target: Target,
    runtimes: Sequence[RuntimeName] | None,
    precisions: Sequence[Precision] | None,
) -> list[Variant]:
    """Each runtime of the target in each precision; of those not asked for, what formats have."""
    foreign = [name for name in runtimes or () if name not in target.runtimes]
    if foreign:
        raise DeviceError(
            f"{target.name} does not run {foreign[0]}: its profile has "
            f"{', '.join(target.runtimes)}."
        )
    # One file serves all who read its format.
    named = [registry.get(name).format for name in runtimes or target.runtimes]
    found: list[Variant] = [
        (runtime, precision)
        for runtime in dict.fromkeys(named)
        for precision in precisions or target.precisions
        if precisions or offered(runtime, precision)
    ]
    return [*found, *([] if precisions else conversions_for(named))]


def _judges(program: Program, data: Data, recipe: Recipe) -> Validation:
    """Samples beside those of the test, evenly spread."""
    pool = data.pool(program)
    chosen = np.unique(np.linspace(0, len(pool) - 1, min(len(pool), _JUDGES)))
    inputs, targets = pool.feeds(chosen.astype(np.int64))
    return Validation(
        inputs=inputs,
        targets=targets if pool.labeled else None,
        task=data.task,
        root=Path.cwd(),
        allowed=recipe.quantize.allowed_loss,
        recover=recipe.quantize.recover,
        reads=numbers(data.task, program.output_names),
    )


@overload
def evaluate(
    subject: Network | Artifact,
    data: Data,
    *,
    metric: Score | str | None = None,
    higher_is_better: bool = True,
    device: str = "local",
) -> Evaluation: ...


@overload
def evaluate(
    subject: Sequence[Artifact],
    data: Data,
    *,
    metric: Score | str | None = None,
    higher_is_better: bool = True,
    device: str = "local",
) -> Mapping[str, Evaluation]: ...


def evaluate(
    subject: Network | Artifact | Sequence[Artifact],
    data: Data,
    *,
    metric: Score | str | None = None,
    higher_is_better: bool = True,
    device: str = "local",
) -> Evaluation | Mapping[str, Evaluation]:
    """The metric of a network, or of each exported file on its runtime, on the test samples.

    `metric(outputs, targets)` takes arrays (n, ...) and returns a number, or is one of the task's
    by name; `None` is the task's own. Files run on the device at the address `device`, one
    sample at a time. Of several files the evaluations are by name. Texts are read by the
    `tokenizer.json` beside a file, or in its bundle. Raises `DataError` where no sample is
    labeled, `UsageError` for a metric that the task does not have or a file that is converted and
    not run, `ArtifactError` where a runtime refuses a file.
    """
    judge = metric_of(metric, data.task, higher_is_better=higher_is_better)
    if isinstance(subject, Network):
        program = selected(subject.program, data.task)
        return evaluate_network(program, data.part("test", program), metric=judge)
    files = [subject] if isinstance(subject, Artifact) else list(subject)
    for one in files:
        registry.refuse_converted(one.runtime)
    with attached(device, runtimes=[one.runtime for one in files]) as there:
        found = {}
        for one in files:
            given = data.part("test", _inputs_of(one), _tokenizer_of(one))
            reads = numbers(data.task, [spec.name for spec in one.outputs])
            outputs = infer_all(one, given, there, reads)
            found[one.name] = judge(outputs, given.targets)
    return found[subject.name] if isinstance(subject, Artifact) else found


def _tokenizer_of(artifact: Artifact) -> Tokenizer | None:
    """The tokenizer beside a file, or in the bundle whose candidate the file is."""
    folders = artifact.files[0].resolve().parents[:2]
    files = (folder / tokenizer.FILE for folder in folders)
    return next((tokenizer.read(file) for file in files if file.is_file()), None)


def _write_tokenizer(network: Program, text: TextSpec, folder: Path) -> None:
    """Leave the tokenizer of a network of texts beside its files, for whoever runs them."""
    found = text_input_of(network, text, Path.cwd())
    if found is not None:
        write(folder / tokenizer.FILE, found.content.encode())


def _inputs_of(artifact: Artifact) -> tuple[InputSpec, ...]:
    """The inputs of a file, in the network's order of dimensions and without its batch."""
    if not artifact.inputs:
        raise ArtifactError(
            f"{artifact.name} has no inputs that are described. Evaluate files that "
            "edgekit.export returned."
        )
    return tuple(
        InputSpec(
            shape=of_network(spec.shape[1:], spec.layout),
            name=spec.name,
            dtype=spec.dtype  # type: ignore[arg-type]
            if spec.quantization is None and spec.dtype in ("int64", "int32")
            else None,
        )
        for spec in artifact.inputs
    )
