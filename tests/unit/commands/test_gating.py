"""Where a gate's limits come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.commands.gating import limits_of
from edgekit.errors import UsageError
from edgekit.types.gate import Gate


def test_a_file_goes_before_the_project_and_options_before_both(mine: Path) -> None:
    assert limits_of(mine, None, {}) == Gate()
    with (mine / "edgekit.toml").open("a") as toml:
        toml.write("[gate]\nsize_mb = 2\ngrowth = 0.1\n")
    assert limits_of(mine, None, {"growth": None}) == Gate(size_mb=2, growth=0.1)
    assert limits_of(mine, None, {"growth": 0.0}) == Gate(size_mb=2)
    (mine / "limits.toml").write_text("mmacs = 3\n")
    assert limits_of(mine, mine / "limits.toml", {}) == Gate(mmacs=3)
    assert limits_of(mine / "data", None, {}) == Gate()


def test_a_file_of_budgets_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml"):
        limits_of(tmp_path, tmp_path / "none.toml", {})
