"""The unpruned network against what the device's profile says it cannot run."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import fx

from edgekit.agent.arrays import of_network
from edgekit.devices import Device
from edgekit.devices.emulated import CORES, EmulatedDevice, missing
from edgekit.errors import ArtifactError, BudgetInfeasible
from edgekit.evaluate.run import infer
from edgekit.export.workers import Failure
from edgekit.pipeline.context import BuildData, Job
from edgekit.pipeline.variants import wanted
from edgekit.program.layer_attribution import ITSELF, layer_behind
from edgekit.program.module_path import layer
from edgekit.program.program import Program
from edgekit.report.export_words import reasons
from edgekit.report.note_words import sentence
from edgekit.runtimes import registry
from edgekit.runtimes.operators import Operator, Table, of_file, opset_of, table
from edgekit.types import Artifact, Precision, RuntimeName, Target
from edgekit.types.export_notes import Fix, LeftOut, Refusal

_INSTEAD: Mapping[str, Fix] = {
    "STABLEHLO_SCATTER": "replace_scatter",
    "STABLEHLO_SORT": "sort_in_application",
}
_FLOAT_BORDER = ("QUANTIZE", "DEQUANTIZE", "QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True, kw_only=True)
class Compatibility:
    """What is left to build."""

    runtimes: tuple[RuntimeName, ...]
    refused: frozenset[tuple[RuntimeName, Precision]]
    """Of those runtimes, what they cannot run in less than fp32."""
    notes: tuple[LeftOut, ...]


def check(
    job: Job,
    network: Program,
    baselines: Sequence[Artifact],
    samples: BuildData,
    folder: Path,
) -> Compatibility:
    """What of the profile's runtimes and precisions the network can be built for.

    `baselines` are the unpruned network's fp32 exports. What cannot run is left out and said;
    raises `ArtifactError` where nothing is left, `BudgetInfeasible` where it does not fit the RAM.
    """
    memory(network, job)
    with job.progress.step("Check what the device can run"):
        refused = {one.runtime: _refusals(job, network, one) for one in baselines}
    kept = [one.runtime for one in baselines if not refused[one.runtime]]
    notes = [
        LeftOut(name=runtime, runtime=runtime, precision=None, refusals=tuple(several))
        for runtime, several in refused.items()
        if several
    ]
    if not kept:
        raise ArtifactError(
            f"{job.target.name} cannot run the network. {reasons(notes)}"
        )
    notes += _reduced(job, network, kept, samples, folder)
    for note in notes:
        job.progress.say(sentence(note))
    return Compatibility(
        runtimes=tuple(kept),
        refused=frozenset(
            (one.runtime, one.precision) for one in notes if one.precision is not None
        ),
        notes=tuple(notes),
    )


def memory(network: Program, job: Job) -> None:
    """Refuse a network that no plan is asked to bring under the device's RAM."""
    limit, asked = job.target.ram_mb, job.project.budget.memory_mb
    if limit is None or asked is not None:
        return
    weights = sum(p.numel() * p.element_size() for p in network.module.parameters())
    largest, at = _largest(network)
    needed_mb = (weights + largest) / 2**20
    if needed_mb > limit:
        raise BudgetInfeasible(
            f"{job.target.name} has {limit} MiB of RAM, and the unpruned network takes "
            f"{needed_mb:.0f} MiB at least: {weights / 2**20:.0f} of weights and "
            f"{largest / 2**20:.0f} around layer '{at}'. Set [budget] memory_mb below {limit}, "
            "so that the plan keeps to it."
        )


def _largest(network: Program) -> tuple[int, str]:
    """Bytes of the operator with most data in and out for one sample, and its layer."""
    sizes: dict[fx.Node, int] = {}
    best, at = 0, ITSELF
    for node in network.module.graph.nodes:
        value: Any = node.meta.get("val")
        if isinstance(value, torch.Tensor):
            # The batch is a symbol; a device's is 1.
            shape = [n if isinstance(n, int) else 1 for n in value.shape]
            sizes[node] = math.prod(shape) * value.element_size()
        if node.op == "call_function":
            moved = [n for n in node.all_input_nodes if n.op != "get_attr"]
            total = sum(sizes.get(one, 0) for one in (node, *moved))
            if total > best:
                best, at = total, layer(node) or ITSELF
    return best, at


def _reduced(
    job: Job,
    network: Program,
    kept: Sequence[RuntimeName],
    samples: BuildData,
    folder: Path,
) -> list[LeftOut]:
    """What is refused in less than fp32, whose files hold newer operators.

    They are only written where a profile could refuse them. Raises `ArtifactError` where the
    device takes nothing else.
    """
    asked = list(dict.fromkeys(each[:2] for each in wanted(job, network, kept)))
    in_doubt: list[tuple[RuntimeName, Precision]] = [
        (runtime, precision)
        for runtime, precision in asked
        if precision != "fp32"
        and (job.target.whole_int8 or _table(job.target, runtime))
    ]
    if not in_doubt:
        return []
    failures: list[Failure] = []
    made = job.export(
        network,
        in_doubt,
        folder / "unpruned-reduced",
        title="Export the unpruned network in less than fp32",
        calibration=samples.calibration,
        on_failure=failures.append,
    )
    refused = {
        (one.order.runtime, one.order.precision): [
            Refusal(cause="export_failed", by=one.order.runtime, detail=str(one.error))
        ]
        for one in failures
    }
    for one in made:
        if several := _refusals(job, network, one):
            assert one.precision is not None
            refused[(one.runtime, one.precision)] = several
    found = [
        LeftOut(
            name=f"{runtime}-{precision}",
            runtime=runtime,
            precision=precision,
            refusals=tuple(several),
        )
        for (runtime, precision), several in refused.items()
    ]
    if refused and not set(asked) - refused.keys():
        raise ArtifactError(
            f"{job.target.name} cannot run the network in any precision it takes. "
            f"{reasons(found)}"
        )
    return found


# --- one artifact -----------------------------------------------------------------------------


def _refusals(job: Job, network: Program, artifact: Artifact) -> list[Refusal]:
    """Why the device cannot run it, operator by operator; and whether it was seen to load."""
    known = _table(job.target, artifact.runtime)
    operators = of_file(artifact.runtime, artifact.files[0])
    found = list(_by_profile(job.target, network, artifact, operators, known))
    there = None if found or known is None else _environment(job, known.runtime)
    if known is not None and there is not None:
        read = replace(artifact, runtime=known.runtime)
        refusal = _loaded(network, read, operators, there)
        found += [refusal] if refusal is not None else []
    return _once(found)


def _table(target: Target, format_of: RuntimeName) -> Table | None:
    """The operators of the profile's runtime that is bound to a release and reads such files."""
    for name in registry.readers(format_of):
        runtime = registry.get(name)
        final = runtime.version if runtime.final else None
        version = target.runtime_versions.get(name, final)
        if name in target.runtimes and version is not None:
            return table(name, version)
    return None


def _by_profile(
    target: Target,
    network: Program,
    artifact: Artifact,
    operators: Sequence[Operator],
    known: Table | None,
) -> Iterator[Refusal]:
    lacking = target.missing_operators.get(artifact.runtime, ())
    wanted = target.opset and opset_of(artifact.runtime, artifact.files[0])
    opset = target.opset if wanted else None
    for one in operators:
        refusal = known.lacks(one) if known else None
        if one.kind in lacking:
            by = f"{artifact.runtime} on {target.name}"
            refusal = Refusal(cause="operator_missing", by=by)
        elif opset is not None and one.version > opset:
            refusal = Refusal(
                cause="opset_too_new",
                by=target.name,
                version=one.version,
                supported=opset,
            )
        elif target.static_shapes and not one.static:
            refusal = Refusal(
                cause="shape_dynamic", by=target.name, fix="constant_size"
            )
        elif (
            target.whole_int8
            and artifact.precision == "int8"
            and one.in_float
            and one.kind not in _FLOAT_BORDER
        ):
            refusal = Refusal(cause="operator_in_float", by=target.name)
        if refusal is not None:
            layer = layer_behind(network, one.kind, one.names)
            yield _located(refusal, one, layer, target)
    if opset is not None and wanted is not None and wanted > opset:
        yield Refusal(
            cause="opset_too_new",
            by=target.name,
            version=wanted,
            supported=opset,
            fix="newer_runtime",
        )


def _located(
    refusal: Refusal, operator: Operator, layer: str, target: Target
) -> Refusal:
    """The refusal with its operator, its layer and a fix, where it has none yet."""
    located = replace(
        refusal, operator=operator.kind, layer=None if layer == ITSELF else layer
    )
    if refusal.fix is not None:
        return located
    fix = _INSTEAD.get(operator.kind, "rewrite_layer")
    return replace(located, fix=fix, or_64_bit=target.arch == "armv7l")


def _environment(job: Job, runtime: RuntimeName) -> Device | None:
    """Where the old runtime itself can open a file: the device, or its core emulated."""
    if runtime in job.runtimes:
        return job.device
    core = job.target.cpu
    if core not in CORES or missing(core) is not None:
        return None
    emulated = EmulatedDevice(core=core, kept=job.store)
    return emulated if emulated.prepared and runtime in emulated.runtimes else None


def _loaded(
    network: Program, artifact: Artifact, operators: Sequence[Operator], there: Device
) -> Refusal | None:
    """What the runtime says when it opens and runs the file once; `None` where all is well."""
    shapes = [of_network(spec.shape[1:], spec.layout) for spec in artifact.inputs]
    if len(shapes) != 1:
        return None
    try:
        infer(
            artifact,
            np.zeros((1, *shapes[0]), np.float32),
            there,
        )
    except ArtifactError as error:
        said = str(error)
        at = _named(said, operators, registry.get(artifact.runtime).refusals)
        layer = ITSELF if at is None else layer_behind(network, at.kind, at.names)
        return Refusal(
            cause="file_rejected",
            by=f"{artifact.runtime} on {there.name}",
            operator=at.kind if at else None,
            layer=None if layer == ITSELF else layer,
            detail=said,
            fix="rewrite_layer",
        )
    return None


def _named(
    said: str, operators: Sequence[Operator], patterns: Sequence[str]
) -> Operator | None:
    """The first operator of the file that a runtime's words are about."""
    marks = [mark for pattern in patterns for mark in re.findall(pattern, said)]
    return next((o for o in operators if {o.kind, str(o.code)} & set(marks)), None)


def _once(refusals: Sequence[Refusal]) -> list[Refusal]:
    return list(dict.fromkeys(refusals))
