"""Output of `edgekit inspect` about a network: counted by hand, by cutting, and by torch."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from edgekit.commands.inspection import (
    BarrierFacts,
    BlockFacts,
    GroupFacts,
    Inspection,
    TensorFacts,
    describe_network,
    inspect,
    parse_input,
    show,
)
from edgekit.errors import UsageError
from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.types import Plan
from tests.unit.graph.networks import CASES
from tests.zoo.exactness import macs

MODEL = """\
import torch
from torch import nn


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.image = nn.Conv2d(3, 8, 3)
        self.words = nn.Embedding(20, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, image, tokens):
        seen = self.image(image).mean((2, 3))
        return self.head(torch.relu(seen + self.words(tokens).mean(1)))


def build():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, padding=1)
    )


def two():
    return Two()


class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = build()

    def forward(self, x):
        y = self.body(x)
        return {"out": y, "best": y.argmax(1)}


def segmenter():
    return Segmenter()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def failure(*arguments: str | None, **options: object) -> str:
    with pytest.raises(UsageError) as caught:
        inspect(*arguments, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_numbers_of_a_small_network(folder: Path) -> None:
    found = inspect("model.py:build", inputs=["3,10,10"])
    assert found.inputs == (
        TensorFacts(name="input_0", shape=(3, 10, 10), dtype="float32"),
    )
    assert found.parameters == (3 * 9 + 1) * 8 + (8 * 9 + 1) * 4
    assert found.macs == 100 * (3 * 9 * 8 + 8 * 9 * 4)
    (group,) = found.groups
    assert group == GroupFacts(
        id="0",
        kind="channel",
        units=8,
        exact=True,
        layers=("0", "2"),
        parameters_per_unit=3 * 9 + 1 + 9 * 4,
        macs_per_unit=100 * (3 * 9 + 9 * 4),
    )
    assert found.blocks == found.barriers == ()


@pytest.mark.parametrize("name", list(CASES))
def test_a_unit_carries_what_cutting_it_saves(name: str) -> None:
    program = CASES[name].program()
    graph = analyze(program)
    found = describe_network(program, name)
    assert [g.id for g in found.groups] == [g.id for g in graph.groups]
    for group in found.groups:
        kept = {group.id: tuple(range(1, group.units))}
        less = describe_network(shrink(graph, Plan(kept=kept)), name)
        assert found.parameters - less.parameters == group.parameters_per_unit
        if "cell" not in group.id:  # of a cell's operations, only the sum is exact
            assert found.macs - less.macs == group.macs_per_unit
    for block in found.blocks:
        less = describe_network(
            shrink(graph, Plan(kept={}, dropped_blocks=(block.id,))), name
        )
        assert found.parameters - less.parameters == block.parameters
        assert found.macs - less.macs == block.macs


@pytest.mark.parametrize("name", ["mlp", "resnet", "mobile", "shuffle", "unfused"])
def test_operations_are_those_that_torch_counts(name: str) -> None:
    program = CASES[name].program()
    assert describe_network(program, name).macs == macs(program, program.example(1))


def test_a_barrier_names_what_stays_whole() -> None:
    found = describe_network(CASES["unknown"].program(), "unknown")
    (barrier,) = found.barriers
    assert (barrier.operator, barrier.node) == ("renorm", "renorm")
    assert "no rule" in barrier.why
    assert barrier.whole == ("second.weight", "second.bias")


def test_several_inputs_of_several_types(folder: Path) -> None:
    found = inspect("model.py:two", inputs=["3,8,8", "5:int64"])
    assert [(i.shape, i.dtype) for i in found.inputs] == [
        ((3, 8, 8), "float32"),
        ((5,), "int64"),
    ]
    assert [group.units for group in found.groups] == [8]
    assert found.groups[0].layers == ("image", "words", "head")


def test_outputs_are_shown_by_name(folder: Path) -> None:
    found = inspect("model.py:segmenter", inputs=["3,8,8"])
    assert found.outputs == (
        TensorFacts(name="out", shape=(4, 8, 8), dtype="float32"),
        TensorFacts(name="best", shape=(8, 8), dtype="int64"),
    )
    lines = printed(found, 80)
    assert "Outputs: out 4x8x8 float32; best 8x8 int64" in lines
    single = inspect("model.py:build", inputs=["3,8,8"])
    assert [one.name for one in single.outputs] == ["output"]


def test_a_pt2_file_states_its_own_shape(folder: Path) -> None:
    CASES["mlp"].program().save(folder / "net.pt2")
    found = inspect("net.pt2")
    assert found.inputs[0].shape == (6,)
    assert [group.units for group in found.groups] == [16, 12]
    assert inspect("net.pt2", inputs=["6"]).inputs == found.inputs
    message = failure("net.pt2", inputs=["7"])
    assert "takes input shape [6]" in message and "[7] is given" in message


def test_the_project_names_network_weights_and_shape(
    own_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own_project)
    found = inspect()
    assert found.source == "model.py:build"
    assert found.inputs[0].shape == (3, 16, 16)
    assert len(found.blocks) == 2
    assert inspect("model.py:build").inputs[0].shape == (3, 16, 16)
    assert inspect("model.py:build", inputs=["3,8,8"]).macs < found.macs
    assert inspect(weights=Path("weights.safetensors")) == found


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((), {}, ["No edgekit.toml", "edgekit inspect model.py:build"]),
        (("model.py:build",), {}, ["--input 3,224,224", "128:int64"]),
        (("model.py:bild",), {"inputs": ["3,8,8"]}, ["bild", "'build'"]),
        (("modle.py:build",), {"inputs": ["3,8,8"]}, ["modle.py", "'model.py'"]),
        (("model.other",), {"inputs": ["3,8,8"]}, ["model.other", ".pt2"]),
        (("missing.pt2",), {}, ["missing.pt2"]),
        (("model.py:build",), {"inputs": ["1,8,8"]}, ["[1, 8, 8]", "3 channels"]),
        (("model.py:build",), {"inputs": ["3,8,8", "4"]}, ["[3, 8, 8], [4]"]),
        (("model.py:build",), {"inputs": ["3x8x8"]}, ["3x8x8", "--input 3,224,224"]),
        (("model.py:build",), {"inputs": ["3,0,8"]}, ["3,0,8"]),
        (("model.py:build",), {"inputs": ["8:int"]}, ["8:int", "int64"]),
        (
            ("model.py:build",),
            {"inputs": ["3,8,8"], "weights": Path("none.pt")},
            ["none.pt"],
        ),
    ],
)
def test_what_cannot_be_inspected_is_refused_in_one_line(
    folder: Path,
    arguments: tuple[str, ...],
    options: dict[str, object],
    words: list[str],
) -> None:
    message = failure(*arguments, **options)
    for word in words:
        assert word in message, message


def test_shapes_and_dtypes_are_read() -> None:
    assert parse_input("3, 224,224") == ((3, 224, 224), torch.float32)
    assert parse_input("128:int64") == ((128,), torch.int64)


def printed(found: Inspection, width: int) -> list[str]:
    text = io.StringIO()
    show(found, Console(file=text, width=width))
    return text.getvalue().splitlines()


def large(groups: int = 200) -> Inspection:
    """Long names, long numbers, many layers."""
    return Inspection(
        source="model.py:build",
        inputs=(TensorFacts(name="input", shape=(128,), dtype="int64"),),
        outputs=(TensorFacts(name="logits", shape=(128, 32_000), dtype="float32"),),
        parameters=1_234_567_890,
        macs=98_765_432_100,
        groups=tuple(
            GroupFacts(
                id=f"network.model.layers.{number}.self_attention.query.head_dim",
                kind="head_dim",
                units=4096,
                exact=bool(number % 2),
                layers=tuple(f"network.model.layers.{n}.norm" for n in range(30)),
                parameters_per_unit=123_456,
                macs_per_unit=1_234_567,
            )
            for number in range(groups)
        ),
        blocks=(BlockFacts(id="network.model.layers.0.mlp", parameters=5, macs=7),),
        barriers=tuple(
            BarrierFacts(
                operator="sort",
                node=f"sort_{number}",
                why="EdgeKit has no rule for this operator",
                whole=(f"network.model.layers.{number}.mlp.weight",),
            )
            for number in range(5)
        ),
    )


def test_two_hundred_groups_fit_eighty_columns_a_line_each() -> None:
    lines = printed(large(), 80)
    assert max(map(len, lines)) <= 80
    rows = [line.split() for line in lines if " head_dim " in line]
    assert len(rows) == len({row[0] for row in rows}) == 200
    for number, row in enumerate(rows):
        assert str(number) in row[0].split(".")
        exact = "yes" if number % 2 else "no"
        assert row[1:7] == ["head_dim", "4096", "123k", "1.23M", exact, "30:"]
    assert "1.23G parameters, 98.8G operations (MACs)" in lines[1]
    assert "200 groups, 1 block, 5 barriers" in lines[1]


def test_figures_stay_whole_beside_names_that_converters_make() -> None:
    names = [f"main___Net_torch_nn_modules_conv_Conv2d_conv_{n}" for n in "abcdefgh"]
    found = large(8)
    groups = tuple(
        replace(group, id=name) for group, name in zip(found.groups, names, strict=True)
    )
    block = replace(found.blocks[0], id="main___Net_" * 12 + "end")
    lines = printed(replace(found, groups=groups, blocks=(block,)), 80)
    assert max(map(len, lines)) <= 80
    rows = [line.split() for line in lines if " head_dim " in line]
    assert [row[0][-6:] for row in rows] == [f"conv_{n}" for n in "abcdefgh"]
    assert all(row[2:5] == ["4096", "123k", "1.23M"] for row in rows)
    assert any(line.split()[-2:] == ["5", "7"] and "end " in line for line in lines)


def test_alike_barriers_share_a_line_and_a_wide_terminal_shows_whole_names() -> None:
    lines = printed(large(3), 200)
    (barrier,) = (line for line in lines if line.startswith("sort"))
    assert "sort_0, sort_1, sort_2, and 2 more" in barrier
    assert "network.model.layers.0.mlp" in barrier
    assert any(line.startswith(large(3).groups[2].id) for line in lines)


def test_importing_the_command_line_does_not_import_torch() -> None:
    import subprocess

    code = "import sys, edgekit.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
