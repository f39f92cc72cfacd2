"""Errors and their exit codes."""

from __future__ import annotations

from edgekit.errors import EXIT_CODES
from tests.conftest import Run


def test_help_names_every_exit_code(run: Run) -> None:
    status, out, _ = run("build", "--help")
    assert status == 0
    for code in EXIT_CODES:
        assert str(code) in out
