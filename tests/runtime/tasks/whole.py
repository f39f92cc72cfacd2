"""Whole builds of the projects of these tests."""

from __future__ import annotations

from pathlib import Path

from edgekit.api.environment import attached_environment
from edgekit.commands.build import read_request
from edgekit.commands.console import Bars, err_console
from edgekit.pipeline import build
from edgekit.types import Report


def built(folder: Path) -> Report:
    """The report of the project in `folder`, built on this machine without a word."""
    bars = Bars(err_console, silent=True)
    request = read_request(folder, "host", bars)
    with attached_environment(request, device="local", progress=bars) as env:
        return build.build(request, env, folder / "bundle")
