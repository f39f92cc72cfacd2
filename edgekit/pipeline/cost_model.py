"""From operators' costs to whole networks: fitted before a plan, and checked after it.

A few whole candidates, exported and measured as operators are, correct the cost table; the
corrected table's prediction for each network is compared with its measurement.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from edgekit.cost import network_model
from edgekit.cost.operator_shape import describe
from edgekit.cost.table import CostTable
from edgekit.devices import Device
from edgekit.export.workers import Variant, artifact_name
from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.pipeline import left_out, stage_inputs
from edgekit.pipeline.cost_provider import CostProvider
from edgekit.pipeline.search import PlanTimer
from edgekit.pipeline.variants import planned
from edgekit.program.program import Program
from edgekit.progress import Progress
from edgekit.prune.objective import keep_best
from edgekit.prune.planner import Planner
from edgekit.store import Json, Stage, Store, kept, key
from edgekit.types import Artifact, NetworkCost, Prediction, Target
from edgekit.types.notes import PredictionsOff
from edgekit.types.operator_shape import OperatorShape

_FEWEST = 2
"""Whole networks that a correction is fitted to, at least."""
_PROMISED = 0.1
"""Error of predictions past which they promise nothing."""
_PREDICTION = Json[Prediction](Prediction)


def calibrate(planner: Planner, timer: PlanTimer, folder: Path) -> None:
    """Correct the planner's table by whole networks: the unpruned one, and one half-way cut.

    What a build before this one measured is not measured again. Raises
    `left_out.NotExportable` where the half-way cut cannot be exported.
    """
    table, network, device = planner.table, planner.graph.program, planner.device
    if device is None:
        return
    family = family_of(network, timer.variant)
    known = table.networks(family)
    if len(known) < _FEWEST:
        candidate, place = half_way(planner), folder / "half-way"
        [artifact] = left_out.export(
            timer.exporter,
            candidate,
            [timer.variant],
            place,
            title="Export a network to learn from",
            calibration=timer.calibration,
        ).artifacts
        with timer.progress.step("Whole networks beside their operators"):
            known = table.measure_networks(
                [
                    (timer.baseline.files, operators_of(network)),
                    (artifact.files, operators_of(candidate)),
                ],
                device,
                family,
            )
        shutil.rmtree(place)
    table.correct(known, device, family)


def family_of(network: Program, variant: Variant) -> str:
    """The name of networks that explain each other: cut from one, of inputs of one size, in files
    of one form."""
    runtime, precision, *config = variant
    name = key(network.fingerprint(), network.specs)
    if not config:
        return name
    return f"{name} {artifact_name(runtime, precision, *config)}"


def check(  # noqa: PLR0913 (costs, networks, files, and where the record is kept)
    costs: CostProvider,
    table: CostTable,
    pair: tuple[Program, Program],
    artifacts: Sequence[Artifact],
    target: Target,
    progress: Progress,
    store: Store | None = None,
) -> Prediction | None:
    """Prediction error of the table on whole networks, the student's too.

    The `pair` is the unpruned network and the student, whose `artifacts` these are, for `target`.
    `None` where costs are estimated, or no artifact is of the form that the table's plans are for.
    """
    files = [
        (artifact, variant)
        for artifact in artifacts
        if artifact.precision == table.key.precision
        and costs.runtime(artifact.runtime) == table.key.runtime
        and artifact.name
        == artifact_name(
            *(variant := planned(artifact.runtime, artifact.precision, target))
        )
    ]
    if costs.device is None or not files:
        return None
    file, variant = files[0]
    stage = Stage(
        kind="predictions",
        title="The student beside its operators",
        inputs={
            "networks": [stage_inputs.of_network(one) for one in pair],
            "file": stage_inputs.of_files(file),
            "table": {**asdict(table.key), "provenance": table.provenance},
        },
        record=_PREDICTION,
        portable=False,
    )
    family = family_of(pair[0], variant)
    make = partial(_predicted, table, costs.device, family, pair[1], file, progress)
    return kept(store, stage, make, progress)


def _predicted(
    table: CostTable,
    device: Device,
    family: str,
    student: Program,
    file: Artifact,
    progress: Progress,
) -> Prediction:
    before = table.networks(family)
    operators = operators_of(student)
    seen = [operator for one in before for operator in one.operators]
    table.measure([*operators, *seen], device)
    predicted = sum(map(table.cost, operators))
    with progress.step("The student beside its operators"):
        [sample] = table.measure_networks([(file.files, operators)], device, family)
    others = [one for one in before if one.operators != sample.operators]
    rows = [_row("student", predicted, sample.cost)]
    for number, one in enumerate(others):
        rest = [*others[:number], *others[number + 1 :], sample]
        found = network_model.fit(rest, table.cost_alone)
        expected = found.network(one.operators, table.cost_alone)
        rows.append(_row(f"candidate {number + 1}", expected, one.cost))
    median = statistics.median(row.error for row in rows)
    progress.say(
        f"Costs of operators predict {len(rows)} whole networks within {median:.1%} "
        f"(median), {max(row.error for row in rows):.1%} at most"
    )
    return Prediction(
        provenance=table.provenance,
        unit=table.unit,
        networks=tuple(rows),
        error_median=median,
        repeatability=table.repeatability,
        doubt=table.doubt or _unsure(median),
    )


def _unsure(error: float) -> PredictionsOff | None:
    """Return that networks are far from what their operators predict, where they are."""
    return None if error <= _PROMISED else PredictionsOff(error_median=error)


def operators_of(network: Program) -> list[OperatorShape]:
    """Every operator that costs something, in order of execution."""
    graph = analyze(network)
    nodes = graph.program.module.graph.nodes
    return [o for node in nodes if (o := describe(graph, node)) is not None]


def half_way(planner: Planner) -> Program:
    """The network with every group at the middle of the widths on offer."""
    middle = {
        name: widths[len(widths) // 2] for name, widths in planner.options.items()
    }
    groups = planner.graph.groups
    return shrink(planner.graph, keep_best(groups, middle, {}))


def _row(name: str, predicted: float, measured: float) -> NetworkCost:
    return NetworkCost(
        name=name,
        predicted=predicted,
        measured=measured,
        error=abs(predicted - measured) / measured,
    )
