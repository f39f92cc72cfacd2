"""Containers, their ends and their traces."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.package.docker import docker
from edgekit.package.docker.engine import Engine, explained
from edgekit.progress import Silent
from edgekit.store import Store
from tests.device.engine import Unavailable, emulators, engine
from tests.device.test_images import BUNDLE, CASES, REPOSITORY, RUN_S, _wait

pytestmark = pytest.mark.timeout(1800)  # the first test builds the images


@pytest.fixture(scope="module")
def docker_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with contextlib.ExitStack() as stack:
        try:
            client = stack.enter_context(engine())
            stack.enter_context(emulators("aarch64", "arm"))
        except Unavailable as reason:
            pytest.skip(str(reason))
        yield Engine(client)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(
        Path(os.environ.get("EDGEKIT_TEST_CACHE", tmp_path_factory.mktemp("c")))
    )


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def images(
    docker_engine: Engine, bundle: Path, store: Store
) -> Iterator[dict[str, docker.Image]]:
    built: dict[str, docker.Image] = {}
    for case in CASES:
        order = docker.Order(
            bundle=bundle,
            platforms=(case.platform,),
            runtime=case.runtime,  # type: ignore[arg-type]
            tag="edgekit-test/digits",
            base=docker.FROM_DEBIAN,
        )
        [one] = docker.package(order, store, Silent(), docker_engine)
        built[case.platform] = one
        how = "on this machine" if case.core is None else f"emulated, {case.core}"
        assert one.trial == f"litert-int8 answered ({how})"
    yield built
    tags = [one.tag for one in built.values()]
    docker_engine.docker("rmi", "--force", *tags)


def test_a_child_that_ran_out_of_memory_is_reported_though_the_exit_code_is_0(
    docker_engine: Engine, images: dict[str, docker.Image]
) -> None:
    child = "import sys; sys.stdout.write(str(len(bytearray(300 << 20))))"
    parent = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    )
    run = docker_engine.run(
        images["linux/amd64"].tag,
        ["-c", parent],
        options=["--memory", "48m", "--network", "none", "--entrypoint", "python3"],
        timeout_s=RUN_S,
    )
    assert run.code == 0 and run.out_of_memory
    assert "out of memory, although it ended with 0" in (explained(run) or "")


def test_a_killed_client_leaves_no_container(
    docker_engine: Engine, images: dict[str, docker.Image]
) -> None:
    def there(name: str) -> bool:
        found = docker_engine.docker("ps", "-aq", "--filter", f"name={name}")
        return bool(found.strip())

    with docker_engine.named() as name:
        client = subprocess.Popen(
            [
                docker_engine.client.path,
                *("run", "--rm", "-i", "--name", name, "--network", "none"),
                *(images["linux/amd64"].tag, "serve", "--until-stdin-closes"),
            ],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert client.stderr is not None
        said = b""
        while b"/v2" not in said:
            line = client.stderr.readline()
            assert line, said
            said += line
        client.send_signal(signal.SIGKILL)
        client.wait()
        assert _wait(lambda: not there(name), 60)


def test_a_run_that_takes_too_long_leaves_no_container(
    docker_engine: Engine, images: dict[str, docker.Image]
) -> None:
    from edgekit.errors import DeviceError

    before = docker_engine.docker("ps", "-aq")
    with pytest.raises(DeviceError, match="did not end within 3 s"):
        docker_engine.run(
            images["linux/amd64"].tag,
            ["serve"],
            options=["--network", "none"],
            timeout_s=3,
        )
    assert docker_engine.docker("ps", "-aq") == before
