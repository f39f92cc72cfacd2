"""Check the unpruned network against the device's profile."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import fx

from edgekit.agent.arrays import of_network
from edgekit.devices import Device
from edgekit.devices.browser.device import ARCH
from edgekit.devices.emulated import CORES, EmulatedDevice, missing
from edgekit.errors import ArtifactError, BudgetInfeasible
from edgekit.evaluate.run import infer
from edgekit.export.queues import Failure
from edgekit.export.workers import artifact_name
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.runners import ExportRunner
from edgekit.pipeline.samples import BuildData
from edgekit.pipeline.variants import requested
from edgekit.program.feeds import Feeds
from edgekit.program.layer_attribution import ITSELF, layer_behind
from edgekit.program.module_path import layer
from edgekit.program.program import Program
from edgekit.report.export_words import reasons
from edgekit.report.note_words import sentence
from edgekit.runtimes import browser, registry
from edgekit.runtimes.operators import Operator, Table, of_file, opset_of, table
from edgekit.types import Artifact, Precision, RuntimeName, Target
from edgekit.types.export_notes import Fix, Incompatibility, LeftOut

_Form = tuple[RuntimeName, Precision]
_INSTEAD: Mapping[str, Fix] = {
    "STABLEHLO_SCATTER": "replace_scatter",
    "STABLEHLO_SORT": "sort_in_application",
}
_FLOAT_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE", "QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True, kw_only=True)
class Compatibility:
    """The builds that remain."""

    runtimes: tuple[RuntimeName, ...]
    refused: frozenset[_Form]
    """Of those runtimes, what they cannot run in less than fp32."""
    notes: tuple[LeftOut, ...]


def check(
    request: BuildRequest,
    env: Environment,
    network: Program,
    baselines: Sequence[Artifact],
    samples: BuildData,
    folder: Path,
) -> Compatibility:
    """Runtimes and precisions of the profile that the network can be built for.

    `baselines` are the unpruned network's fp32 exports. Impossible variants are left out with a
    note; raises `ArtifactError` where none remains, `BudgetInfeasible` where the network does
    not fit the RAM.
    """
    target, recipe = env.observed(request.target), request.project.recipe.export
    memory(network, target, request.project.budget.memory_mb)
    with env.progress.step("Check what the device can run"):
        opener = partial(_opener, target, env)
        inspection = _Inspection(target=target, network=network, opener=opener)
        refused = {one.runtime: inspection.refusals(one) for one in baselines}
    kept = [one.runtime for one in baselines if not refused[one.runtime]]
    notes = [
        LeftOut(
            name=runtime,
            runtime=runtime,
            precision=None,
            refusals=tuple(is_distributed),
        )
        for runtime, is_distributed in refused.items()
        if is_distributed
    ]
    if not kept:
        raise ArtifactError(f"{target.name} cannot run the network. {reasons(notes)}")
    forms = requested(network, kept, target, recipe.precisions)
    notes += _reduced(
        inspection,
        ExportRunner.of(request, env),
        list(dict.fromkeys(each[:2] for each in forms)),
        samples.calibration,
        folder / "unpruned-reduced",
    )
    for note in notes:
        env.progress.say(sentence(note))
    return Compatibility(
        runtimes=tuple(kept),
        refused=frozenset(
            (one.runtime, one.precision) for one in notes if one.precision is not None
        ),
        notes=tuple(notes),
    )


def memory(network: Program, target: Target, asked_mb: float | None) -> None:
    """Refuse a network that exceeds the device's RAM and that no plan has to reduce."""
    limit = target.ram_mb
    if limit is None or asked_mb is not None:
        return
    weights = sum(p.numel() * p.element_size() for p in network.module.parameters())
    largest, at = _largest(network)
    needed_mb = (weights + largest) / 2**20
    if needed_mb > limit:
        raise BudgetInfeasible(
            f"{target.name} has {limit} MiB of RAM, and the unpruned network takes "
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
    inspection: _Inspection,
    exporter: ExportRunner,
    asked: Sequence[_Form],
    calibration: Feeds,
    folder: Path,
) -> list[LeftOut]:
    """Variants refused in less than fp32, whose files hold newer operators.

    They are only written where a profile could refuse them. Raises `ArtifactError` where the
    device takes nothing else.
    """
    in_doubt = inspection.in_doubt(asked)
    if not in_doubt:
        return []
    failures: list[Failure] = []
    made = exporter.export(
        inspection.network,
        in_doubt,
        folder,
        title="Export the unpruned network in less than fp32",
        calibration=calibration,
        on_failure=failures.append,
    )
    refused = {
        (one.request.runtime, one.request.precision): [
            Incompatibility(
                cause="export_failed", by=one.request.runtime, detail=str(one.error)
            )
        ]
        for one in failures
    }
    forms = {artifact_name(*form): form for form in in_doubt}
    for one in made:
        if refusals := inspection.refusals(one):
            refused[forms[one.name]] = refusals
    found = [
        LeftOut(
            name=artifact_name(runtime, precision),
            runtime=runtime,
            precision=precision,
            refusals=tuple(listed),
        )
        for (runtime, precision), listed in refused.items()
    ]
    if refused and not set(asked) - refused.keys():
        raise ArtifactError(
            f"{exporter.target} cannot run the network in any precision it takes. "
            f"{reasons(found)}"
        )
    return found


# --- one artifact -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Inspection:
    """A network's files against the target's profile, and on its old runtime."""

    target: Target
    network: Program
    opener: Callable[[RuntimeName], Device | None]
    """Where a runtime that is bound to a release can open a file, if anywhere."""

    def refusals(self, artifact: Artifact) -> list[Incompatibility]:
        """Why the device cannot run it, operator by operator; and whether it was seen to load."""
        known = _table(self.target, artifact.runtime)
        operators = of_file(artifact.runtime, artifact.files[0])
        found = [
            *_by_types(self.target, artifact),
            *_by_profile(self.target, self.network, artifact, operators, known),
        ]
        there = None if found or known is None else self.opener(known.runtime)
        if known is not None and there is not None:
            read = replace(artifact, runtime=known.runtime)
            incompatibility = _loaded(self.network, read, operators, there)
            found += [incompatibility] if incompatibility is not None else []
        return list(dict.fromkeys(found))

    def in_doubt(self, asked: Sequence[_Form]) -> list[_Form]:
        """Variants of `asked` that the profile could refuse though it takes the network in
        fp32."""
        return [
            (runtime, precision)
            for runtime, precision in asked
            if precision != "fp32"
            and (self.target.whole_int8 or _table(self.target, runtime))
        ]


def _table(target: Target, format_of: RuntimeName) -> Table | None:
    """The operators of the profile's runtime that is bound to a release and reads such files."""
    for name in registry.readers(format_of):
        runtime = registry.get(name)
        final = runtime.version if runtime.final else None
        version = target.runtime_versions.get(name, final)
        if name in target.runtimes and version is not None:
            return table(name, version)
    return None


def _by_types(target: Target, artifact: Artifact) -> Iterator[Incompatibility]:
    """Types of inputs and outputs that the runtime's build for browsers does not take."""
    web = browser.known().get(registry.get(artifact.runtime).format)
    if target.arch != ARCH or web is None:
        return
    for tensor in (*artifact.inputs, *artifact.outputs):
        if tensor.dtype not in web.dtypes:
            yield Incompatibility(
                cause="type_not_taken",
                by=f"{web.title} {web.version}",
                detail=f"{tensor.dtype} ({tensor.name})",
            )


def _by_profile(
    target: Target,
    network: Program,
    artifact: Artifact,
    operators: Sequence[Operator],
    known: Table | None,
) -> Iterator[Incompatibility]:
    lacking = target.missing_operators.get(artifact.runtime, ())
    requested = target.opset and opset_of(artifact.runtime, artifact.files[0])
    opset = target.opset if requested else None
    for one in operators:
        incompatibility = known.lacks(one) if known else None
        if one.kind in lacking:
            by = f"{artifact.runtime} on {target.name}"
            incompatibility = Incompatibility(cause="operator_missing", by=by)
        elif opset is not None and one.version > opset:
            incompatibility = Incompatibility(
                cause="opset_too_new",
                by=target.name,
                version=one.version,
                supported=opset,
            )
        elif target.static_shapes and not one.static:
            incompatibility = Incompatibility(
                cause="shape_dynamic", by=target.name, fix="constant_size"
            )
        elif (
            target.whole_int8
            and artifact.precision == "int8"
            and one.in_float
            and one.kind not in _FLOAT_CONVERSIONS
        ):
            incompatibility = Incompatibility(cause="operator_in_float", by=target.name)
        if incompatibility is not None:
            layer = layer_behind(network, one.kind, one.names)
            yield _located(incompatibility, one, layer, target)
    if opset is not None and requested is not None and requested > opset:
        yield Incompatibility(
            cause="opset_too_new",
            by=target.name,
            version=requested,
            supported=opset,
            fix="newer_runtime",
        )


def _located(
    incompatibility: Incompatibility, operator: Operator, layer: str, target: Target
) -> Incompatibility:
    """The refusal with its operator, its layer and a fix, where it has none yet."""
    located = replace(
        incompatibility,
        operator=operator.kind,
        layer=None if layer == ITSELF else layer,
    )
    if incompatibility.fix is not None:
        return located
    fix = _INSTEAD.get(operator.kind, "rewrite_layer")
    return replace(located, fix=fix, or_64_bit=target.arch == "armv7l")


def _opener(target: Target, env: Environment, runtime: RuntimeName) -> Device | None:
    """Where the old runtime itself can open a file: the device, or its core emulated."""
    if runtime in env.runtimes:
        return env.device
    core = target.cpu
    if core not in CORES or missing(core) is not None:
        return None
    emulated = EmulatedDevice(core=core, kept=env.store)
    return emulated if emulated.prepared and runtime in emulated.runtimes else None


def _loaded(
    network: Program, artifact: Artifact, operators: Sequence[Operator], there: Device
) -> Incompatibility | None:
    """The runtime's error on opening and running the file once; `None` where all is well."""
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
        return Incompatibility(
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
