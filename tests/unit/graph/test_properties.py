"""Random networks, random plans: cutting equals masking."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from edgekit.graph.graph import WidthGraph, analyze
from edgekit.graph.surgery import mask, shrink
from edgekit.program.program import trace
from edgekit.types import InputSpec, Plan
from tests.unit.graph.test_surgery import drop, error, output

SIZE = 4
"""Height and width of every image."""


class Block(nn.Module):
    """One step from `inputs` to `self.outputs` channels on a SIZE x SIZE image."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs


class Plain(Block):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class Inverted(Block):
    """Expand, depthwise, squeeze and excite, project, add."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, inputs)
        self.up, self.down = (
            nn.Conv2d(inputs, outputs, 1),
            nn.Conv2d(outputs, inputs, 1),
        )
        self.depthwise = nn.Conv2d(outputs, outputs, 3, padding=1, groups=outputs)
        self.gate = nn.Conv2d(outputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.silu(self.depthwise(F.silu(self.up(x))))
        y = y * self.gate(F.adaptive_avg_pool2d(y, 1)).sigmoid()
        return x + self.down(y)


class Grouped(Block):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, groups=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).tanh()


class Normed(Block):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.conv, self.norm = nn.Conv2d(inputs, outputs, 1), nn.GroupNorm(2, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.norm(self.conv(x)))


class Dense(Block):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, inputs + outputs)
        self.conv = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(x).relu()], 1)


class Shuffled(Block):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, inputs)
        self.conv = nn.Conv2d(inputs // 2, inputs // 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1)
        x = torch.cat([left, self.conv(right)], 1)
        return x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)


class Gated(Block):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.conv = nn.Conv2d(inputs, 2 * outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.glu(self.conv(x), 1)


class Padded(Block):
    """The parameter-free shortcut to a wider stage."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, inputs + 4)
        self.conv = nn.Conv2d(inputs, inputs + 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, (0, 0, 0, 0, 2, 2)) + self.conv(x)


class Finer(Block):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.conv = nn.Conv2d(inputs, 4 * outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.pixel_shuffle(self.conv(x), 2), 2)


class Attention(Block):
    """Pixels attend to each other with two heads."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, inputs)
        self.qkv = nn.Linear(inputs, 3 * outputs)
        self.project = nn.Linear(outputs, inputs)

    def forward(self, x: Tensor) -> Tensor:
        y = x.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(y).unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return x + self.project(y).transpose(1, 2).unflatten(2, (SIZE, SIZE))


class Sequence(Block):
    """Rows read by a recurrent layer."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, inputs)
        self.cells = nn.GRU(inputs, outputs, batch_first=True)
        self.project = nn.Linear(outputs, inputs)

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.cells(x.mean(3).transpose(1, 2))[0])
        return x + y.transpose(1, 2).unsqueeze(3)


BLOCKS: tuple[type[Block], ...] = (
    Plain,
    Inverted,
    Grouped,
    Normed,
    Dense,
    Shuffled,
    Gated,
    Padded,
    Finer,
    Attention,
    Sequence,
)


class Network(nn.Module):
    def __init__(self, steps: list[tuple[type[Block], int]], *, flat: bool) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        width, blocks = 8, []
        for kind, outputs in steps:
            blocks.append(block := kind(width, outputs))
            width = block.outputs
        self.blocks, self.flat = nn.Sequential(*blocks), flat
        self.head = nn.Linear(width * (SIZE**2 if flat else 1), 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.stem(x))
        return self.head(x.flatten(1) if self.flat else x.mean((2, 3)))


def analyzed(network: nn.Module) -> WidthGraph:
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.dim() == 1 and "norm" in name:
                tensor.uniform_(0.5, 1.5)
    spec = InputSpec(shape=(3, SIZE, SIZE))
    return analyze(trace(network.eval(), (spec,)))


STEPS = st.lists(
    st.tuples(st.sampled_from(BLOCKS), st.sampled_from((4, 8, 12))),
    min_size=1,
    max_size=3,
)


@settings(
    max_examples=20, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
@given(
    steps=STEPS,
    flat=st.booleans(),
    fraction=st.sampled_from((0.2, 0.5, 0.9)),
    seed=st.integers(0, 99),
)
def test_cutting_equals_masking(
    steps: list[tuple[type[Block], int]], flat: bool, fraction: float, seed: int
) -> None:
    torch.manual_seed(seed)
    graph = analyzed(Network(steps, flat=flat))
    x = torch.randn(3, 3, SIZE, SIZE)
    assert graph.groups

    plan = drop((g for g in graph.groups if g.exact), fraction=fraction, seed=seed)
    blocks = tuple(block.id for block in graph.blocks[seed % 3 :])
    plan = Plan(kept=plan.kept, dropped_blocks=blocks)
    small = shrink(graph, plan)
    assert error(output(small, x), output(mask(graph, plan), x)) < 1e-5

    again = analyze(small)
    widths = {name: len(kept) for name, kept in plan.kept.items()}
    for node in small.module.graph.find_nodes(op="get_attr"):
        (old,) = (n for n in graph.program.module.graph.nodes if n.name == node.name)
        assert again.shape(node) == graph.shape(old, widths)

    everything = shrink(graph, drop(graph.groups, fraction=fraction, seed=seed))
    assert torch.isfinite(output(everything, x)).all()
