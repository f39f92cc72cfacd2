"""The JSON of a `.pt2`: arithmetic and names pass, anything that could run code does not."""

from __future__ import annotations

from typing import Any

import pytest

from edgekit.program.pt2_graph import Suspicious, checked, path_name


def document(node: dict[str, Any], symbol: str = "s0") -> dict[str, Any]:
    return {
        "graph_module": {"graph": {"nodes": [node]}},
        "range_constraints": {symbol: {}},
        "guards_code": ["evil()"],
    }


@pytest.mark.parametrize(
    "text",
    [
        "s0",
        "2*s0 + 1",
        "Max(1, FloorDiv(s0, 2))",
        "Symbol('s0', integer=True)",
        "s0**2",
    ],
)
def test_arithmetic_of_sizes_passes(text: str) -> None:
    assert checked(document({"expr_str": text}))["graph_module"]


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "s0.__class__",
        "(lambda: 1)()",
        "'text'",
        "9**9**9",
        "s0 " * 3000,
        "Symbol('s0; evil')",
        "[s0 for s0 in s0]",
    ],
)
def test_other_expressions_do_not(text: str) -> None:
    with pytest.raises(Suspicious):
        checked(document({"expr_str": text}))
    with pytest.raises(Suspicious):
        checked(document({}, symbol=text))


@pytest.mark.parametrize(
    ("target", "sound"),
    [
        ("torch.ops.aten.relu.default", True),
        ("_operator.add", True),
        ("torch.ops.aten.from_file.default", False),
        ("torch.ops.mine.run.default", False),
        ("os.system", False),
    ],
)
def test_operators_are_pytorchs_own(target: str, sound: bool) -> None:
    if sound:
        checked(document({"target": target}))
        return
    with pytest.raises(Suspicious):
        checked(document({"target": target}))


@pytest.mark.parametrize("key", ["as_custom_obj", "as_operator", "custom_obj"])
def test_objects_are_refused(key: str) -> None:
    checked(document({key: None}))
    with pytest.raises(Suspicious, match="an object"):
        checked(document({key: {"name": "x"}}))


def test_guards_and_notes_that_nothing_needs_are_left_out() -> None:
    notes = {"nn_module_stack": "L['self']", "stack_trace": "/home/author/model.py"}
    made = checked(document({"metadata": notes}))
    assert made["guards_code"] == []
    [node] = made["graph_module"]["graph"]["nodes"]
    assert node["metadata"] == {"nn_module_stack": "L['self']"}


@pytest.mark.parametrize("name", ["a'b", 'a"b', "a\nb", "a\\b", None])
def test_names_cannot_leave_a_string(name: Any) -> None:
    assert path_name("blocks.0.weight") == "blocks.0.weight"
    with pytest.raises(Suspicious):
        path_name(name)


def test_sizes_have_a_limit() -> None:
    checked(document({"sizes": [{"as_int": 1 << 20}, {"as_int": 4}]}))
    with pytest.raises(ValueError, match="elements"):
        checked(document({"sizes": [{"as_int": 1 << 30}, {"as_int": 1 << 30}]}))
