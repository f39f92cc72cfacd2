"""`edgekit profile-device`."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from edgekit.cli import app
from edgekit.errors import DeviceError, UsageError


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "'nowhere' is not a device. Known forms: local"),
        (["local", "--name", "My Desk"], "'My Desk' is not a valid target name"),
        (["emulated:cortex-x9"], "No core 'cortex-x9'"),
    ],
)
def test_a_wrong_call_is_one_line(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(app, ["profile-device", *arguments])
    assert isinstance(result.exception, UsageError | DeviceError)
    assert words in str(result.exception)
