"""An optimizer's state survives a cut."""

from __future__ import annotations

import pytest
import torch

from edgekit.errors import UsageError
from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.prune.optimizer import carry_optimizer_state
from edgekit.types import Plan
from tests.unit.graph.networks import CASES


@pytest.mark.parametrize("name", ["resnet", "decoder"])
def test_momentum_is_cut_like_its_parameter(name: str) -> None:
    graph = analyze(CASES[name].program())
    teacher = graph.program.module
    optimizer = torch.optim.Adam(teacher.parameters(), lr=0.01)
    teacher(CASES[name].inputs()).square().mean().backward()
    optimizer.step()
    state = optimizer.state_dict()
    for number, parameter in enumerate(teacher.parameters()):
        state["state"][number]["exp_avg"] = parameter.detach().clone()

    plan = Plan(
        kept={g.id: tuple(range(g.units // 2)) for g in graph.groups},
        dropped_blocks=(graph.blocks[0].id,),
    )
    student = shrink(graph, plan)
    carried = carry_optimizer_state(state, graph, plan, student)
    after = torch.optim.Adam(student.module.parameters(), lr=0.5)
    after.load_state_dict(carried)
    for parameter in student.module.parameters():
        assert torch.equal(after.state[parameter]["exp_avg"], parameter)
        assert after.state[parameter]["exp_avg_sq"].shape == parameter.shape
        assert after.state[parameter]["step"] == 1
    assert after.param_groups[0]["lr"] == 0.01
    student.module(CASES[name].inputs()).square().mean().backward()
    after.step()


def test_a_state_of_other_parameters_is_refused() -> None:
    graph = analyze(CASES["mlp"].program())
    state = torch.optim.SGD([torch.zeros(1)], lr=0.1).state_dict()
    with pytest.raises(UsageError, match="has 1 parameters, the network 6"):
        carry_optimizer_state(state, graph, Plan(kept={}), graph.program)
