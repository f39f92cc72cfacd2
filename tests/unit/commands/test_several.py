"""Several targets in one command."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from edgekit.commands.console import Bars, err_console
from edgekit.commands.several import kept_apart, once, refuse
from edgekit.errors import (
    BudgetMissed,
    DeviceError,
    EdgeKitError,
    TargetError,
    TargetsFailed,
)

QUIET = Bars(err_console, silent=True)


def test_a_target_of_two_names_is_done_once(tmp_path: Path) -> None:
    names = ["raspberrypi", "intel-n100", "raspberrypi4", "raspberrypi"]
    assert once(tmp_path, names, QUIET) == ["raspberrypi", "intel-n100"]


def test_a_name_that_no_target_has_ends_the_command_first(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="No target 'raspberypi'"):
        once(tmp_path, ["intel-n100", "raspberypi"], QUIET)


def apart(
    failed: dict[str, EdgeKitError], name: str, of: int = 3
) -> AbstractContextManager[None]:
    return kept_apart(name, failed, Bars(err_console, silent=False), of=of)


def test_the_highest_exit_code_of_several_is_theirs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed: dict[str, EdgeKitError] = {}
    with apart(failed, "one"):
        raise BudgetMissed("one is over its budget")
    with apart(failed, "two"):
        raise DeviceError("two has no runtime")
    with apart(failed, "three"):
        pass
    assert "one failed: one is over its budget" in "".join(capsys.readouterr())
    with pytest.raises(TargetsFailed, match="2 of 3 targets failed") as raised:
        refuse(failed, of=3)
    assert raised.value.exit_code == DeviceError.exit_code
    assert "one: one is over its budget; two: two has no runtime" in str(raised.value)


def test_the_only_target_fails_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    failed: dict[str, EdgeKitError] = {}
    with apart(failed, "one", of=1):
        raise DeviceError("one has no runtime")
    assert "one has no runtime" not in "".join(
        capsys.readouterr()
    )  # printed by main alone
    with pytest.raises(DeviceError, match=r"^one has no runtime$"):
        refuse(failed, of=1)
    refuse({}, of=2)


def test_what_is_not_an_error_on_purpose_is_not_kept_apart() -> None:
    with pytest.raises(KeyError), apart({}, "one"):
        raise KeyError("a fault of ours")
