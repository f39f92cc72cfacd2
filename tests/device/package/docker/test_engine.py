"""Containers, their ends and their traces."""

from __future__ import annotations

import signal
import subprocess

import pytest

from edgekit.package.docker import docker
from edgekit.package.docker.engine import Engine, explained
from tests.device.package.docker.cases import RUN_S, wait

pytestmark = pytest.mark.timeout(1800)  # the first test builds the images


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
        assert wait(lambda: not there(name), 60)


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
