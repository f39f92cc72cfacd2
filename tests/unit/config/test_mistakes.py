"""Values that may be of several kinds: one mistake each, at its place, with all that it may be."""

from __future__ import annotations

import pytest

from edgekit.config import project
from edgekit.config.project import Project
from edgekit.errors import ProjectError
from tests.unit.pipeline import points


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return project.load(points.write(tmp_path_factory.mktemp("project")))


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ('learning_rate = "fast"', "should be a number, or 'auto'."),
        ("learning_rate = -1", "should be greater than 0, or 'auto'."),
        (
            "student = 5",
            'should be text in quotes: "...", or a table: { key = value }.',
        ),
    ],
)
def test_every_kind_is_named_beside_the_value(
    given: Project, setting: str, expected: str
) -> None:
    with pytest.raises(ProjectError) as refused:
        given.with_settings((f"recipe.distill.{setting}",))
    assert str(refused.value) == f"--set:1: recipe.distill.{setting}: {expected}"


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("student = { widht = 0.5 }", "student.widht = 0.5: unknown key. Did you mean 'width'?"),
        ("student = { width = 2.0 }", "student.width = 2.0: should be less than or equal to 1."),
        ("teachers = [5]", "teachers[0] = 5: should be text in quotes"),
        ('teachers = ["a.py:b", { weight = 2.0 }]', "teachers[1].source is missing"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_table_is_at_its_own_key(
    given: Project, setting: str, expected: str
) -> None:
    with pytest.raises(ProjectError) as refused:
        given.with_settings((f"recipe.distill.{setting}",))
    assert f"--set:1: recipe.distill.{expected}" in str(refused.value)
    assert "more after this one" not in str(refused.value)


def test_choices_of_several_kinds_are_one_list(given: Project) -> None:
    with pytest.raises(ProjectError, match=r"'estimated', 'auto'\. Did you mean 'host"):
        given.with_settings(('recipe.prune.cost_provenance = "hots"',))
    with pytest.raises(ProjectError, match=r"1 more after this one"):
        given.with_settings(('recipe.prune.resolution = [0, "a"]',))
