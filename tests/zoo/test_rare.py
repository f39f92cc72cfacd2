"""Small networks after reports and of rare operators: each cut is exact, or its network refused."""

from __future__ import annotations

import pytest

from edgekit.errors import ModelError
from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.program.program import trace
from tests.zoo.exactness import outputs, random_plan, relative_error, train_one_step
from tests.zoo.models import REPORTED, STRANGE
from tests.zoo.silenced import silenced

NETWORKS = REPORTED | STRANGE
TOLERANCE = 1e-5
REFUSED = ("packed_lstm", "scripted", "bn_no_stats")
"""Networks that cannot be traced, or that mix their batch: the reason in one line."""
SQUEEZED = ("squeeze_all",)
"""Networks that lose the batch dimension at batch 1, as a trace for any batch does not."""
RANDOM = ("dropout_on",)
"""Networks of which no two runs agree."""


@pytest.mark.parametrize("name", [n for n in NETWORKS if n not in REFUSED])
def test_every_cut_equals_silence(name: str) -> None:
    """Exact groups together, all together, each alone; other batches; a step of training."""
    entry = NETWORKS[name]
    network = entry.network()
    graph = analyze(trace(network, entry.inputs, entry.dtypes))
    exact = [group for group in graph.groups if group.exact]
    for groups in (exact, list(graph.groups), *([group] for group in graph.groups)):
        plan = random_plan(groups, 0.4, seed=len(groups))
        over_kept = not all(group.exact for group in groups)
        every = len(groups) == len(graph.groups)
        for batch in (2 if name in SQUEEZED else 1, 3) if every else (2,):
            sample = entry.sample(batch)
            cut = outputs(shrink(graph, plan), sample)
            expected = silenced(
                entry.network(), graph, plan, sample, over_kept=over_kept
            )
            if name not in RANDOM:
                assert relative_error(cut, expected) < TOLERANCE, (batch, plan)
    everything = shrink(graph, random_plan(graph.groups, 0.4))
    assert train_one_step(everything, entry.sample(batch=4))


@pytest.mark.parametrize("name", REFUSED)
def test_a_network_that_cannot_be_traced_is_refused_in_one_line(name: str) -> None:
    entry = NETWORKS[name]
    with pytest.raises(ModelError) as error:
        trace(entry.network(), entry.inputs, entry.dtypes)
    assert len(str(error.value).splitlines()) == 1
