"""The contract between EdgeKit and its agent: every field has its meaning."""

from __future__ import annotations

import ast
from pathlib import Path

from edgekit.agent import schema

LINES = Path(schema.__file__).read_text(encoding="utf-8").splitlines()


def fields() -> list[tuple[str, ast.AnnAssign]]:
    """Every field of every job and result, with the class that declares it."""
    return [
        (one.name, field)
        for one in ast.parse("\n".join(LINES)).body
        if isinstance(one, ast.ClassDef)
        for field in one.body
        if isinstance(field, ast.AnnAssign)
    ]


def test_every_field_is_documented() -> None:
    for owner, field in fields():
        above = LINES[field.lineno - 2].strip()
        here = LINES[field.lineno - 1 : field.end_lineno]
        lines = above.startswith("#") or any("  # " in line for line in here)
        assert lines, f"{owner}.{ast.unparse(field.target)} has no word on what it is"


def test_every_kind_has_a_job_and_a_result() -> None:
    declared = {owner for owner, _ in fields()}
    for kind in schema.KINDS:
        assert f"{kind.capitalize()}Result" in declared
        assert kind == "probe" or f"{kind.capitalize()}Job" in declared


def test_fields_that_hold_paths_are_those_of_jobs() -> None:
    known = {
        ast.unparse(field.target) for owner, field in fields() if owner.endswith("Job")
    }
    assert {*schema.PATHS_IN, *schema.PATHS_OUT} <= known
