"""Choose the files of a student that compete, and the samples that judge the quantized ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgekit.config.project import Project
from edgekit.export.mixing import PART
from edgekit.export.quantization_accuracy import Validation
from edgekit.export.workers import Variant, offered
from edgekit.pipeline.samples import BuildData
from edgekit.program.feeds import joined
from edgekit.program.named_outputs import Reads
from edgekit.program.program import Program
from edgekit.runtimes import registry
from edgekit.types import Candidate, Precision, QuantConfig, RuntimeName, Target
from edgekit.types.export_notes import QuantizationSearched

ENOUGH = 400
"""Number of validation samples that suffice to detect a loss of half a point; training samples
fill up."""
MOST = 1000
_VNNI = ("avx512_vnni", "avx_vnni", "amx_int8")
_IN_INT8: tuple[Precision, ...] = ("int8", "int8-dynamic")
"""Precisions with products of int8 weights and activations."""
_LINEAR = ("aten.linear", "aten.addmm", "aten.matmul", "aten.mm.")
_CONVOLUTION = ("aten.conv",)
_RECURRENT = ("aten.lstm", "aten.gru", "aten.rnn")


def requested(
    student: Program,
    runtimes: Sequence[RuntimeName],
    target: Target,
    asked: Sequence[Precision] | None,
    *,
    mixed: bool = False,
) -> list[Variant]:
    """Every runtime in every precision that the profile (or else `asked`) allows and it has,
    and beside int8 the configurations whose speed has to be measured.

    With `mixed` int8 and float are mixed wherever a runtime can; else where int8 has slow
    operators.
    """
    precisions = asked or (*target.precisions, *_more(student, target))
    found: list[Variant] = []
    for runtime in runtimes:
        for precision in precisions:
            if asked is None and not offered(runtime, precision):
                continue
            found.append((runtime, precision))
            found += _variants(student, runtime, precision, target, mixed=mixed)
    return found


def mixed_file(runtime: RuntimeName, target: Target) -> Variant | None:
    """The file of int8 and float, by timings; `None` where the runtime has none."""
    if not registry.get(runtime).has(PART):
        return None
    first = [*_competing(runtime, target), QuantConfig()][0]
    return runtime, "int8", replace(first, operators="mixed")


def planned(runtime: RuntimeName, precision: Precision, target: Target) -> Variant:
    """The file that plans are timed on: in int8 with the activations that the target's kernels
    like, as the fastest of those that compete has them."""
    unsigned = _unsigned(runtime, target) if precision == "int8" else None
    return (runtime, precision, unsigned) if unsigned else (runtime, precision)


def validation(project: Project, samples: BuildData, reads: Reads) -> Validation:
    """The validation samples, with training samples where they are few: never test samples.

    `reads` are the numbers of the outputs that the task reads.
    """
    recipe = project.recipe.quantize
    inputs, targets = samples.validation.feeds(_first(len(samples.validation), MOST))
    missing = min(ENOUGH - len(targets), len(samples.train))
    if missing > 0:
        order = np.random.default_rng(project.recipe.seed)
        chosen = order.permutation(len(samples.train))[:missing]
        more_inputs, more_targets = samples.train.feeds(np.sort(chosen))
        inputs = joined([inputs, more_inputs])
        targets = np.concatenate([targets, more_targets])
    return Validation(
        inputs=inputs,
        targets=targets,
        task=project.task,
        root=project.root,
        allowed=recipe.allowed_loss,
        recover=recipe.recover,
        folding=samples.folding,
        reads=reads,
    )


def notes(candidates: Sequence[Candidate]) -> list[QuantizationSearched]:
    """Results of the search for each quantized file, where it had to search or could not
    hold."""
    found = []
    for candidate in candidates:
        quantized = candidate.artifact.quantized
        if quantized and (
            len(quantized.trials) > 1 or quantized.missed is not None or quantized.slow
        ):
            name = candidate.artifact.name
            found.append(QuantizationSearched(artifact=name, result=quantized))
    return found


def _more(student: Program, target: Target) -> tuple[Precision, ...]:
    """Dynamic int8 where int8 is allowed and most heavy layers are linear ones."""
    if "int8" not in target.precisions:
        return ()
    linear = _count(student, _LINEAR) + _count(student, _RECURRENT)
    return ("int8-dynamic",) if linear > _count(student, _CONVOLUTION) else ()


def _variants(
    student: Program,
    runtime: RuntimeName,
    precision: Precision,
    target: Target,
    *,
    mixed: bool,
) -> list[Variant]:
    if precision not in _IN_INT8:
        return []
    if precision == "int8-dynamic":
        narrow = _overflows(runtime, target)
        return (
            [(runtime, precision, QuantConfig(narrow_weights=True))] if narrow else []
        )
    found: list[Variant] = [
        (runtime, precision, config) for config in _competing(runtime, target)
    ]
    mixing = mixed_file(runtime, target)
    slow = mixed or _count(student, registry.get(runtime).slow_in_int8)
    return [*found, mixing] if mixing is not None and slow else found


def _competing(runtime: RuntimeName, target: Target) -> list[QuantConfig]:
    """Configurations of static int8 besides the first, the fastest one first."""
    narrow = [QuantConfig(narrow_weights=True)] if _overflows(runtime, target) else []
    unsigned = _unsigned(runtime, target)
    return [unsigned, *narrow] if unsigned else narrow


def _unsigned(runtime: RuntimeName, target: Target) -> QuantConfig | None:
    """Unsigned activations, where the target's kernels like them."""
    if target.arch not in registry.get(runtime).unsigned_int8_on:
        return None
    # Signed activations become unsigned ones when the file is loaded, and overflow too.
    overflows = _overflows(runtime, target)
    return QuantConfig(activations="unsigned", narrow_weights=overflows)


def _overflows(runtime: RuntimeName, target: Target) -> bool:
    vnni = any(name in target.isa for name in _VNNI)
    return target.arch in registry.get(runtime).overflows_on and not vnni


def _count(student: Program, kinds: tuple[str, ...]) -> int:
    return sum(
        node.op == "call_function" and any(kind in str(node.target) for kind in kinds)
        for node in student.module.graph.nodes
    )


def _first(count: int, most: int) -> np.ndarray:
    """Numbers of at most `most` samples, spread evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
