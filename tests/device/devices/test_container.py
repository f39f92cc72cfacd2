"""A container as the device: limits, memory that runs out, and nothing left behind."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit import errors
from edgekit.devices.resolve import attached
from edgekit.types.measurement_notes import QuotaStalled
from tests.device.conftest import ENDLESS, SHORT, bench_job
from tests.device.engine import Unavailable, engine

IMAGE = "edgekit-test-device:1"


def ours() -> list[str]:
    """Containers that this package started."""
    command = ["docker", "ps", "--all", "--quiet", "--filter", "name=edgekit-device-"]
    return subprocess.run(
        command, capture_output=True, text=True, check=True
    ).stdout.split()


@pytest.fixture(scope="module")
def docker() -> Iterator[None]:
    """An engine that answers `docker`: this machine's, or one that ends with these tests."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(engine())
        except Unavailable as reason:
            pytest.skip(str(reason))
        yield


@pytest.fixture(scope="module")
def image(docker: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image of this machine's own Python and shell: nothing is fetched."""
    if not Path("/usr/bin/python3").exists():
        pytest.skip("no /usr/bin/python3 to put into an image")
    archive = tmp_path_factory.mktemp("image") / "image.tar"
    _pack(archive)
    subprocess.run(
        ["docker", "import", str(archive), IMAGE], check=True, capture_output=True
    )
    archive.unlink()
    yield IMAGE
    subprocess.run(
        ["docker", "rmi", "--force", IMAGE], capture_output=True, check=False
    )


def _pack(archive: Path) -> None:
    """Programs and the libraries they need, by the loader's own word."""
    programs = [
        "python3",
        "sh",
        "sleep",
        "mkdir",
        "cat",
        "tar",
        "timeout",
        "env",
        "find",
    ]
    programs += ["rm", "mv", "test"]
    files = [Path(str(shutil.which(name, path="/usr/bin:/bin"))) for name in programs]
    version = os.path.realpath("/usr/bin/python3").rpartition("/python")[2]
    library = Path(f"/usr/lib/python{version}")
    modules = list(library.glob("lib-dynload/*.so"))
    machine = Path("/usr/lib") / f"{os.uname().machine}-linux-gnu"
    expected = (
        "stdc++.so.6",
        "gcc_s.so.1",
        "m.so.6",
        "dl.so.2",
        "pthread.so.0",
        "rt.so.1",
    )
    extra = [machine / f"lib{name}" for name in expected]
    with tarfile.open(archive, "w") as tar:
        for name in {*_needed([*files, *modules, *extra]), *map(str, [*files, *extra])}:
            tar.add(os.path.realpath(name), arcname=name.lstrip("/"))
        for file in library.rglob("*"):
            if file.is_file() and "/test" not in str(file):
                tar.add(file, arcname=str(file).lstrip("/"))
        for name in ("tmp", "root", "proc", "sys", "dev"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(folder)


def _needed(files: list[Path]) -> set[str]:
    found: set[str] = set()
    for file in files:
        said = subprocess.run(
            ["ldd", str(file)], capture_output=True, text=True, check=False
        )
        for line in said.stdout.splitlines():
            words = line.split()
            found.update(word for word in words if word.startswith("/"))
    return found


@pytest.fixture
def left_alone(docker: None) -> Iterator[None]:
    before = ours()
    yield
    assert set(ours()) <= set(before)


def test_a_job_runs_in_a_container_on_a_runtime_brought_along(
    image: str, left_alone: None, onnx_file: Path
) -> None:
    with attached(f"container:{image}") as device:
        assert device.provenance == "host"
        result = device.run(bench_job(onnx_file, **SHORT), timeout_s=120)
        assert len(result["samples_ns"]) >= 20


def test_memory_that_runs_out_is_named(
    image: str, left_alone: None, onnx_file: Path, hungry_file: Path
) -> None:
    with attached(f"container:{image}?memory=400m") as device:
        device.run(bench_job(onnx_file, **SHORT), timeout_s=120)
        with pytest.raises(errors.DeviceOutOfMemory, match="memory"):
            device.run(bench_job(hungry_file, **SHORT), timeout_s=120)


def test_a_quota_that_stalls_inferences_is_seen(
    image: str, left_alone: None, onnx_file: Path
) -> None:
    from edgekit.bench.conditions import faults

    before = set(ours())
    with attached(f"container:{image}?cpus=1") as device:
        device.run(bench_job(onnx_file, **SHORT), timeout_s=120)
        # From here on little, also where the machine itself is busy.
        [name] = set(ours()) - before
        command = ["docker", "update", "--cpus", "0.05", name]
        subprocess.run(command, check=True, capture_output=True)
        job = bench_job(onnx_file, warmup_min_s=0.2, min_s=2.0)
        result = device.run(job, timeout_s=300)
    assert any(isinstance(one, QuotaStalled) for one in faults([result]))


def test_a_container_that_is_removed_is_a_lost_link(
    image: str, left_alone: None, onnx_file: Path
) -> None:
    with attached(f"container:{image}") as device:
        device.run(bench_job(onnx_file, **SHORT), timeout_s=120)

        def remove() -> None:
            time.sleep(3)
            for name in ours():
                subprocess.run(
                    ["docker", "rm", "-f", name], capture_output=True, check=False
                )

        thread = threading.Thread(target=remove)
        thread.start()
        with pytest.raises((errors.LinkLost, errors.AgentKilled)):
            device.run(bench_job(onnx_file, **ENDLESS), timeout_s=300)
        thread.join()


def test_an_image_that_is_not_there_is_named(image: str, onnx_file: Path) -> None:
    with (
        attached("container:edgekit-no-such-image:9") as device,
        pytest.raises(errors.DeviceUnreachable, match="no such image"),
    ):
        device.run(bench_job(onnx_file, **SHORT), timeout_s=60)


def test_two_containers_and_this_machine_take_turns(
    image: str, left_alone: None, onnx_file: Path
) -> None:
    """One table of three devices; measurements on this machine run by themselves."""
    addresses = ["local", f"container:{image}", f"container:{image}?memory=1g"]
    devices = [part for one in addresses for part in ("--device", one)]
    done = subprocess.run(
        [sys.executable, "-m", "edgekit", "bench", str(onnx_file), *devices, "--json"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode in (0, 4), done.stderr  # 4: a busy machine's figures
    found = [row["measurement"]["device"] for row in json.loads(done.stdout)]
    assert found == addresses


def test_a_killed_command_leaves_no_agent(image: str, onnx_file: Path) -> None:
    """Its container stays, as Docker's do, and no agent in it."""
    code = (
        "import json, sys\nfrom edgekit.devices.resolve import attached\n"
        f"with attached('container:{image}') as device:\n"
        "    device.run(json.loads(sys.argv[1]), timeout_s=300)"
    )
    job = json.dumps(bench_job(onnx_file, **ENDLESS))
    before = set(ours())
    process = subprocess.Popen(
        [sys.executable, "-c", code, job], cwd=Path(__file__).parents[2]
    )
    try:
        _until(lambda: any("result.json" in _inside(n) for n in set(ours()) - before))
        process.kill()
        process.wait()
        _until(
            lambda: not any("result.json" in _inside(n) for n in set(ours()) - before)
        )
    finally:
        process.kill()
        for name in set(ours()) - before:
            subprocess.run(
                ["docker", "rm", "-f", name], capture_output=True, check=False
            )


def _inside(name: str) -> str:
    command = ["docker", "top", name, "-eo", "pid,args"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _until(happened: object) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        if happened():  # type: ignore[operator]
            return
        time.sleep(0.2)
    raise AssertionError("waited in vain")
