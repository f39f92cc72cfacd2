"""Names as identifiers."""

from __future__ import annotations

import pytest

from edgekit.package.identifiers import class_name, constants, literal, variables


@pytest.mark.parametrize(
    ("project", "name"),
    [
        ("digits", "Digits"),
        ("my net!", "MyNet"),
        ("数字", "Model"),
        ("2nd", "Model2nd"),
    ],
)
def test_a_project_is_named_as_a_class(project: str, name: str) -> None:
    assert class_name(project) == name


def test_variables_are_distinct_and_no_reserved_words() -> None:
    names = ["input_ids", "input ids", "in", "2nd", "", "URL of it"]
    want = ["inputIds", "inputIds2", "in2", "n2nd", "value", "urlOfIt"]
    assert variables(names, ["in"]) == want


def test_constants_are_distinct() -> None:
    names = ['a "dog"', "a dog", "0", "日"]
    assert constants(names) == ["A_DOG", "A_DOG2", "N0", "LABEL"]


def test_a_literal_has_no_character_that_does_not_print() -> None:
    assert literal('a"\n', {'"': '\\"'}) == '"a\\"\\u000a"'
    assert literal("\U000e0001", {}) == '"\\udb40\\udc01"'
    assert literal("\n", {}, lambda one: f"<{ord(one)}>") == '"<10>"'
