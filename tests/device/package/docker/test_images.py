"""Images of the digits example for three processors: built, run, compared with the student.

Needs a Docker engine, or root to start one, and QEMU for the two that are not this machine's.
"""

from __future__ import annotations

import io
import json
import runpy
import shutil
import socket
import subprocess
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pictures

from edgekit.package.docker import docker, image
from edgekit.package.docker.engine import Engine, Run, explained
from edgekit.package.opened import open_bundle
from edgekit.store import Store
from tests.device.package.docker.cases import CASES, REPOSITORY, RUN_S, Case, wait
from tests.device.registry import registry

Array = np.ndarray[Any, np.dtype[Any]]
SAMPLES = 40
pytestmark = pytest.mark.timeout(1800)  # the first test builds the images


IDS = [case.platform for case in CASES]


Answer = Callable[..., Run]


@pytest.fixture
def answer(
    docker_engine: Engine, images: dict[str, docker.Image], shared: Path
) -> Answer:
    """Output of the image of a case for a command."""

    def run(case: Case, *command: str, stdin: bytes = b"", options: Any = ()) -> Run:
        return docker_engine.run(
            images[case.platform].tag,
            command,
            options=[
                *("--platform", case.platform, "--network", "none"),
                *(
                    "--memory",
                    "1g",
                    "--cpus",
                    "2",
                    "--pids-limit",
                    "128",
                    "--read-only",
                ),
                *(*case.options(shared), *options),
            ],
            stdin=stdin,
            timeout_s=RUN_S,
        )

    return run


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the user inside a container may read."""
    folder = tmp_path_factory.mktemp("shared")
    for one in (folder, *list(folder.parents)[:2]):
        one.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def raw() -> Array:
    """Held-out digits (n, 1, 8, 8), pixels from 0 to 16."""
    loader = runpy.run_path(str(REPOSITORY / "examples/digits/loader.py"))
    samples: Array = loader["test"]()[0][:SAMPLES]
    return samples


def npy(values: Array) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def png(sample: Array) -> bytes:
    file = io.BytesIO()
    Pictures.fromarray(sample[0].astype(np.uint8)).save(file, "png")
    return file.getvalue()


def lines(run: Run) -> list[dict[str, Any]]:
    assert run.code == 0, explained(run) or run.err
    return [json.loads(line) for line in run.out.splitlines()]


def network_input(raw: Array, bundle: Path) -> Array:
    contract = json.loads((bundle / "manifest.json").read_text())["contract"]
    spec = contract["preprocessing"]
    scaled = raw.astype(np.float32) / np.float32(spec["scale"])
    return (scaled - np.float32(spec["mean"][0])) / np.float32(spec["std"][0])


def student(raw: Array, bundle: Path) -> Array:
    program = torch.export.load(bundle / "student.pt2")
    with torch.no_grad():
        outputs: Array = program.module()(
            torch.from_numpy(network_input(raw, bundle))
        ).numpy()
    return outputs


def int8_here(raw: Array, bundle: Path, kernels: str) -> tuple[Array, float]:
    """The int8 artifact on this machine's LiteRT, and the size of one step of its output."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = {
        "XNNPACK": OpResolverType.AUTO,
        "reference": OpResolverType.BUILTIN_REF,
    }[kernels]
    interpreter = Interpreter(
        str(bundle / "candidates/litert-int8.tflite"),
        num_threads=1,
        experimental_op_resolver_type=resolver,
    )
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]
    got = interpreter.get_output_details()[0]["index"]
    rows = []
    for sample in network_input(raw, bundle):
        interpreter.set_tensor(given, sample[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(got)[0].copy())
    outputs = np.array(rows)
    levels = np.unique(outputs)
    return outputs, float(np.diff(levels).min())


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_outputs_are_the_students(
    case: Case,
    answer: Answer,
    bundle: Path,
    raw: Array,
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = student(raw, bundle)
    found = {}
    for model in ("litert-fp32", "litert-int8"):
        run = answer(case, "infer", "--model", model, stdin=npy(raw))
        found[model] = np.array([line["outputs"][0] for line in lines(run)])
    float_error = float(np.abs(found["litert-fp32"] - expected).max())
    reference, step = int8_here(raw, bundle, case.int8_kernels)
    steps = np.rint(np.abs(found["litert-int8"] - reference) / step)
    agree = float((found["litert-int8"].argmax(1) == expected.argmax(1)).mean())
    with capsys.disabled():
        if case is CASES[0]:
            print(
                f"\n{'platform':13} {'runtime':15} {'core':11} {'fp32 - student':>15} "
                f"{'int8 - reference':>18} {'exact':>7} {'same label':>11}  reference"
            )
        print(
            f"{case.platform:13} {case.runtime:15} {case.core or 'this one':11} "
            f"{float_error:15.1e} {int(steps.max()):14d} LSB {(steps == 0).mean():7.1%} "
            f"{agree:11.1%}  {case.int8_kernels}: {case.why}"
        )
    assert found["litert-fp32"].shape == expected.shape
    assert float_error <= 1e-5
    assert steps.max() <= case.int8_steps
    # Kernels that round otherwise part on ties, in about one output of a hundred: how many of
    # them there are in these samples depends on the student, so three deviations are allowed.
    ties = 0.01 * steps.size if case.int8_steps else 0.0
    assert (steps > 0).sum() <= ties + 3 * ties**0.5
    assert agree >= 0.95


def test_an_image_on_stdin_gets_the_same_label_everywhere(
    answer: Answer, raw: Array, bundle: Path
) -> None:
    expected = str(student(raw[:1], bundle).argmax())
    labels = {
        case.platform: lines(answer(case, "infer", stdin=png(raw[0])))[0]["label"]
        for case in CASES
    }
    assert labels == dict.fromkeys(IDS, expected)


def test_a_folder_gives_a_line_each(
    answer: Answer, raw: Array, shared: Path, bundle: Path
) -> None:
    pictures = shared / "pictures"
    pictures.mkdir()
    for number, sample in enumerate(raw[:3]):
        (pictures / f"{number}.png").write_bytes(png(sample))
    (pictures / "9.png").write_bytes(b"no image")
    run = answer(CASES[0], "infer", "/data", options=["-v", f"{pictures}:/data:ro"])
    found = [json.loads(line) for line in run.out.splitlines()]
    assert run.code == 2, "one of them cannot be read"
    assert [line.get("label") for line in found[:3]] == [
        str(label) for label in student(raw[:3], bundle).argmax(1)
    ]
    assert "Cannot read /data/9.png" in found[3]["error"]


def test_figures_are_refused_under_emulation_and_given_here(answer: Answer) -> None:
    here = answer(CASES[0], "bench", "--seconds", "0.5")
    assert here.code == 0, here.err
    assert json.loads(here.out)["latency_ms"]["p50"] > 0
    emulated = answer(CASES[1], "bench", "--seconds", "0.5")
    figures = json.loads(emulated.out)
    assert emulated.code == 3
    assert figures["latency_ms"] is None and "emulated" in figures["invalid"]


def test_info_reports_of_the_runtime_and_the_limit(answer: Answer) -> None:
    for case in CASES:
        about = json.loads(answer(case, "info").out)
        assert about["runtime"] == case.runtime
        assert about["memory_limit_mb"] == 1024
        assert about["machine"]["emulated"] is (case.core is not None)


def test_without_an_arm_cpuinfo_the_crash_is_reported(
    docker_engine: Engine, images: dict[str, docker.Image], raw: Array
) -> None:
    """QEMU 7.2 shows the guest this machine's processors, and LiteRT cannot bear it."""
    version = subprocess.run(
        ["qemu-aarch64-static", "--version"], capture_output=True, text=True, check=True
    ).stdout
    if "version 7." not in version:
        pytest.skip(f"this QEMU shows no foreign processor: {version.splitlines()[0]}")
    run = docker_engine.run(
        images["linux/arm64"].tag,
        ["infer"],
        options=["-e", "QEMU_CPU=cortex-a72", "--network", "none"],
        stdin=png(raw[0]),
        timeout_s=RUN_S,
    )
    assert run.code == 139
    assert "SIGSEGV" in run.err and explained(run) == "the runtime crashed (139)"


def _files(docker_engine: Engine, tag: str, folder: Path) -> dict[str, tarfile.TarInfo]:
    with docker_engine.named() as name:
        docker_engine.docker("create", "--name", name, tag)
        docker_engine.docker("export", "--output", str(folder / "all.tar"), name)
    with tarfile.open(folder / "all.tar") as tar:
        return {member.name: member for member in tar}


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_an_image_holds_what_it_needs_and_no_more(
    case: Case,
    docker_engine: Engine,
    images: dict[str, docker.Image],
    tmp_path: Path,
) -> None:
    one = images[case.platform]
    files = _files(docker_engine, one.tag, tmp_path)
    programs = {Path(f).name for f in files if Path(f).parent.name in ("bin", "sbin")}
    assert programs & {"python3", "python3.11"}
    unwanted = {
        "sh",
        "bash",
        "dash",
        "busybox",
        "gcc",
        "cc",
        "ld",
        "perl",
        "apt",
        "dpkg",
    }
    assert not programs & unwanted
    assert not any("torch" in Path(f).parts or Path(f).name == "pip" for f in files)
    config = docker_engine.inspect(one.tag)["Config"]
    assert config["User"] == "65532:65532"
    assert config["Healthcheck"]["Test"][-1] == "health"
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == "digits"
    assert labels["org.opencontainers.image.version"]
    assert docker_engine.inspect(one.tag)["Architecture"] == case.platform.split("/")[1]
    runtimes = {"ai_edge_litert", "tflite_runtime", "onnxruntime", "openvino"}
    assert len({Path(f).name for f in files} & runtimes) == 1


def test_the_bill_of_materials_names_what_is_inside(
    docker_engine: Engine, images: dict[str, docker.Image], tmp_path: Path
) -> None:
    for case in CASES:
        with docker_engine.named() as name:
            docker_engine.docker("create", "--name", name, images[case.platform].tag)
            place = f"{name}:/opt/edgekit/sbom.cdx.json"
            docker_engine.docker("cp", place, str(tmp_path / "bill.json"))
        bill = json.loads((tmp_path / "bill.json").read_text())
        assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
        names = {part["name"] for part in bill["components"]}
        package = "ai-edge-litert" if case.runtime == "litert" else "tflite-runtime"
        assert {package, "edgekit-agent", "litert-int8.tflite"} <= names
        assert names & {"numpy", "python3-numpy"}
        refs = [part["bom-ref"] for part in bill["components"]]
        assert (
            len(set(refs)) == len(refs) and bill["dependencies"][0]["dependsOn"] == refs
        )


def test_litert_for_arm64_is_small(
    images: dict[str, docker.Image], capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print()
        for one in images.values():
            largest = [f"{p} {s / 2**20:.1f}" for p, s in one.parts_bytes.items()][:4]
            print(
                f"{one.platform:13} {one.runtime:15} "
                f"{one.beyond_base_bytes / 2**20:6.1f} MiB beyond a base of "
                f"{one.base_bytes / 2**20:5.1f} MiB: {', '.join(largest)} ..."
            )
    assert images["linux/arm64"].beyond_base_bytes < 120e6


def test_the_same_inputs_give_the_same_layers(
    docker_engine: Engine,
    images: dict[str, docker.Image],
    bundle: Path,
    store: Store,
    tmp_path: Path,
) -> None:
    opened = open_bundle(bundle)
    family = image.FAMILIES["linux/arm64"]
    one = images["linux/arm64"]
    docker.write_context(opened, family, "litert", tmp_path, store)
    tag = "edgekit-test/again:arm64"
    docker_engine.docker(
        *("build", "--no-cache", "--quiet", "--platform", "linux/arm64", "--tag", tag),
        *("--build-arg", f"BASE={one.base}", str(tmp_path)),
    )
    try:
        assert docker_engine.inspect(tag)["RootFS"]["Layers"][-2:] == list(one.layers)
    finally:
        docker_engine.docker("rmi", "--force", tag)


def test_too_little_memory_is_reported(answer: Answer, raw: Array) -> None:
    run = answer(CASES[0], "infer", stdin=png(raw[0]), options=["--memory", "24m"])
    assert run.code == 137
    assert "out of memory: this container may use 24 MB" in run.err
    assert "--memory 48m" in run.err
    assert "out of memory (24m)" in (explained(run, "24m") or "")


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_serve_speaks_the_open_inference_protocol(
    case: Case,
    docker_engine: Engine,
    images: dict[str, docker.Image],
    raw: Array,
    bundle: Path,
    shared: Path,
) -> None:
    port = free_port()
    at = f"http://127.0.0.1:{port}"
    with docker_engine.named() as name:
        docker_engine.docker(
            *("run", "--detach", "--init", "--name", name, "--network", "host"),
            *("--platform", case.platform, "--memory", "512m", *case.options(shared)),
            *(images[case.platform].tag, "serve", "--host", "127.0.0.1"),
            *("--port", str(port)),
        )
        assert wait(lambda: _status(f"{at}/v2/health/ready") == 200, 120)
        model = f"{at}/v2/models/digits"
        about = json.loads(urllib.request.urlopen(model, timeout=30).read())
        [given] = about["inputs"]
        values = network_input(raw[:2], bundle)
        request = {
            "inputs": [
                {
                    "name": given["name"],
                    "shape": list(values.shape),
                    "datatype": "FP32",
                    "data": values.ravel().tolist(),
                }
            ]
        }
        body = json.dumps(request).encode()
        reply = json.loads(
            urllib.request.urlopen(f"{model}/infer", body, timeout=60).read()
        )
        found = np.array(reply["outputs"][0]["data"]).reshape(2, -1)
        assert found.argmax(1).tolist() == student(raw[:2], bundle).argmax(1).tolist()
        assert _status(f"{model}/infer", b"{") == 400
        assert _status(f"{model}/infer", b"0" * (5 << 20)) == 413
        metrics = urllib.request.urlopen(f"{at}/metrics", timeout=30).read().decode()
        assert 'edgekit_requests_total{status="413"} 1' in metrics
        docker_engine.docker("stop", "--time", "20", name)
        state = docker_engine.docker("inspect", "--format", "{{.State.ExitCode}}", name)
        assert state.strip() == "0"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _status(url: str, body: bytes | None = None) -> int:
    try:
        with urllib.request.urlopen(url, body, timeout=30) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_a_list_names_every_platform(
    docker_engine: Engine, images: dict[str, docker.Image]
) -> None:
    if not shutil.which("docker-registry"):
        pytest.skip("no registry to push to: apt install docker-registry")
    with registry(free_port()) as host:
        pushed = []
        for one in images.values():
            tag = f"{host}/digits:1-{one.platform.replace('/', '')}"
            docker_engine.docker("tag", one.tag, tag)
            pushed.append(replace(one, tag=tag))
        digest = docker.push(pushed, f"{host}/digits:1", docker_engine)
        assert digest.startswith("sha256:")
        found = json.loads(
            docker_engine.docker(
                "manifest", "inspect", "--insecure", f"{host}/digits:1"
            )
        )
        platforms = {
            "/".join(
                part
                for part in ("linux", p["architecture"], p.get("variant", ""))
                if part
            )
            for p in (entry["platform"] for entry in found["manifests"])
        }
        assert platforms == set(IDS)
        tags = [one.tag for one in pushed]
        docker_engine.docker("rmi", "--force", *tags)
        pinned = docker_engine.pulled(f"{host}/digits:1", "linux/arm/v7")
        assert pinned == f"{host}/digits@{digest}"
        assert docker_engine.pulled(f"{host}/digits:none", "linux/arm/v7") is None
        assert docker_engine.inspect(f"{host}/digits:1")["Architecture"] == "arm"
        docker_engine.docker("rmi", "--force", f"{host}/digits:1")
