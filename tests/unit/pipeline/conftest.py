"""A small project, its request for a board, and what is loaded of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.commands.build import read_request
from edgekit.pipeline.loading import Loaded, load
from edgekit.pipeline.request import BuildRequest
from edgekit.progress import Silent
from tests.unit.pipeline import points


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return points.write(tmp_path_factory.mktemp("points"))


@pytest.fixture(scope="module")
def request_(folder: Path) -> BuildRequest:
    return read_request(folder, "raspberrypi4", Silent())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def loaded(request_: BuildRequest, tmp_path_factory) -> Loaded:
    return load(request_, points.environment(tmp_path_factory.mktemp("store")), {})
