"""An engine, the digits bundle and its images, made once for all tests of them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.package.docker import docker
from edgekit.package.docker.engine import Engine
from edgekit.progress import Silent
from edgekit.store import Store
from tests.device.engine import Unavailable, emulators, engine
from tests.device.package.docker.cases import BUNDLE, CASES, REPOSITORY


@pytest.fixture(scope="package")
def docker_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with contextlib.ExitStack() as stack:
        try:
            client = stack.enter_context(engine())
            stack.enter_context(emulators("aarch64", "arm"))
        except Unavailable as reason:
            pytest.skip(str(reason))
        yield Engine(client)


@pytest.fixture(scope="package")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(
        Path(os.environ.get("EDGEKIT_TEST_CACHE", tmp_path_factory.mktemp("c")))
    )


@pytest.fixture(scope="package")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits bundle: the one of `make demo`, or built here."""
    for place in (os.environ.get(BUNDLE), REPOSITORY / "build/raspberrypi"):
        if place and (Path(place) / "manifest.json").is_file():
            return Path(place)
    root = tmp_path_factory.mktemp("digits")
    command = [sys.executable, "-m", "edgekit", "build", "-t", "raspberrypi", "-q"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run(command, cwd=root, env=environment, check=True, timeout=900)
    return root / "build/raspberrypi"


@pytest.fixture(scope="package")
def images(
    docker_engine: Engine, bundle: Path, store: Store
) -> Iterator[dict[str, docker.Image]]:
    built: dict[str, docker.Image] = {}
    for case in CASES:
        request = docker.ImageRequest(
            bundle=bundle,
            platforms=(case.platform,),
            runtime=case.runtime,  # type: ignore[arg-type]
            tag="edgekit-test/digits",
            base=docker.FROM_DEBIAN,
        )
        [one] = docker.package(request, store, Silent(), docker_engine)
        built[case.platform] = one
        how = "on this machine" if case.core is None else f"emulated, {case.core}"
        assert one.trial == f"litert-int8 answered ({how})"
    yield built
    tags = [one.tag for one in built.values()]
    docker_engine.docker("rmi", "--force", *tags)
