"""From operators' costs to whole networks: fitted before a plan, and checked after it.

A few whole candidates, exported and measured as operators are, correct the cost table; what the
corrected table says of each network is compared with what was measured.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path

from edgekit.job import Job
from edgekit.prune import correction
from edgekit.prune.correction import Sample
from edgekit.prune.cost import CostTable
from edgekit.prune.graph import analyse
from edgekit.prune.plan import Planner
from edgekit.prune.surgery import shrink
from edgekit.prune.workload import Operator, describe
from edgekit.prune.worth import keep_best
from edgekit.source.program import Program
from edgekit.types import Artifact, NetworkCost, Prediction

_FEWEST = 3
"""Whole networks that a correction is fitted to, at least."""


def calibrate(job: Job, planner: Planner, baseline: Artifact, folder: Path) -> None:
    """Correct the planner's table by whole networks: the unpruned one and two that are cut.

    Networks that a build before this one measured are not measured again.
    """
    table, network = planner.table, planner.graph.program
    if job.costing.device is None:
        return
    family = network.fingerprint()
    known = table.networks(family)
    if len(known) < _FEWEST:
        with job.progress.step("Whole networks beside their operators") as step:
            candidates = _candidates(planner)
            known = [_measure(job, table, network, baseline, family)]
            step.update(1, 1 + len(candidates))
        for number, candidate in enumerate(candidates, 1):
            place = folder / f"candidate-{number}"
            [artifact] = job.export(
                candidate,
                [(baseline.runtime, "fp32")],
                place,
                title=f"Export a network to learn from ({number} of {len(candidates)})",
            )
            known.append(_measure(job, table, candidate, artifact, family))
            shutil.rmtree(place)
    table.correct(known)


def check(
    job: Job,
    table: CostTable,
    unpruned: Program,
    student: Program,
    artifacts: Sequence[Artifact],
) -> Prediction | None:
    """How far the table's word on whole networks is from what is measured, the student's too.

    `None` where costs are estimated, or where no artefact is of the table's runtime in fp32.
    """
    files = [
        artifact
        for artifact in artifacts
        if artifact.precision == table.key.precision
        and job.costing.runtime(artifact.runtime) == table.key.runtime
    ]
    if job.costing.device is None or not files:
        return None
    family = unpruned.fingerprint()
    before = table.networks(family)
    operators = operators_of(student)
    table.measure(operators, job.costing.device)
    predicted = sum(map(table.cost, operators))
    with job.progress.step("The student beside its operators"):
        sample = _measure(job, table, student, files[0], family)
    others = [one for one in before if one.operators != sample.operators]
    rows = [_row("student", predicted, sample.cost)]
    for number, one in enumerate(others):
        rest = [*others[:number], *others[number + 1 :], sample]
        found = correction.fit(rest, table.cost_alone)
        table.measure(one.operators, job.costing.device)
        expected = found.network(one.operators, table.cost_alone)
        rows.append(_row(f"candidate {number + 1}", expected, one.cost))
    median = statistics.median(row.error for row in rows)
    job.progress.say(
        f"Costs of operators predict {len(rows)} whole networks within {median:.1%} "
        f"(median), {max(row.error for row in rows):.1%} at most"
    )
    return Prediction(
        source=table.source,
        unit=table.unit,
        networks=tuple(rows),
        error_median=median,
        repeatability=table.repeatability,
    )


def operators_of(network: Program) -> list[Operator]:
    """Every operator that costs something, in order of execution."""
    graph = analyse(network)
    nodes = graph.program.module.graph.nodes
    return [o for node in nodes if (o := describe(graph, node)) is not None]


def _candidates(planner: Planner) -> list[Program]:
    """The network at its least widths on offer, and about half-way there."""
    graph, options = planner.graph, planner.options
    least = {name: widths[0] for name, widths in options.items()}
    middle = {name: widths[len(widths) // 2] for name, widths in options.items()}
    plans = [keep_best(graph.groups, widths, {}) for widths in (least, middle)]
    return [shrink(graph, plan) for plan in plans]


def _measure(
    job: Job, table: CostTable, network: Program, artifact: Artifact, family: str
) -> Sample:
    device = job.costing.device
    assert device is not None
    return table.measure_network(artifact.files, operators_of(network), device, family)


def _row(name: str, predicted: float, measured: float) -> NetworkCost:
    return NetworkCost(
        name=name,
        predicted=predicted,
        measured=measured,
        error=abs(predicted - measured) / measured,
    )
