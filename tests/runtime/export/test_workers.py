"""All formats at once, in processes that may fail, crash or be interrupted."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from edgekit.errors import ArtifactError, OutputError, RuntimeMissing
from edgekit.export.checks import check
from edgekit.export.workers import export_all
from edgekit.program.program import Program, trace
from edgekit.runtimes import registry
from edgekit.types import Artifact, InputSpec
from tests.runtime.export.apart import cosine, relative_error, run

VARIANTS = [
    ("openvino", "int8"),
    ("litert", "fp32"),
    ("onnxruntime", "int8"),
    ("litert", "int8"),
    ("tflite-runtime", "int8"),
    ("onnxruntime", "fp32"),
]
NAMES = [f"{runtime}-{precision}" for runtime, precision in VARIANTS]


def workers() -> list[psutil.Process]:
    """Workers that run now, started here."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if "edgekit.export.worker" in child.cmdline():
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.fixture(scope="module")
def exported(
    convolutional_network, tmp_path_factory
) -> tuple[list[Artifact], list[str]]:
    program, samples = convolutional_network
    done: list[str] = []
    artifacts = export_all(
        program,
        VARIANTS,
        calibration=samples,
        folder=tmp_path_factory.mktemp("exported") / "candidates",
        on_done=done.append,
    )
    return artifacts, done


def test_artifacts_come_in_the_order_requested(exported) -> None:
    artifacts, done = exported
    assert [artifact.name for artifact in artifacts] == NAMES
    assert sorted(done) == sorted(NAMES)
    assert [(a.runtime, a.precision) for a in artifacts] == VARIANTS


def test_the_folder_holds_them_and_nothing_else(exported) -> None:
    artifacts, _ = exported
    files = [file for artifact in artifacts for file in artifact.files]
    assert set(files[0].parent.iterdir()) == set(files)
    assert files[0].name == "openvino-int8.xml"
    assert not workers()


def test_each_gives_what_the_network_gives(
    exported, apart, convolutional_network
) -> None:
    program, samples = convolutional_network
    with torch.no_grad():
        want = program.module(torch.from_numpy(samples)).numpy()
    for artifact in exported[0]:
        (got,) = apart.submit(run, artifact, (samples,)).result()
        if artifact.precision == "fp32":
            assert relative_error(got, want) < 1e-4, artifact.name
        else:
            assert cosine(got, want) >= 0.98, artifact.name


def test_both_lite_runtimes_get_the_same_file(exported) -> None:
    files = {artifact.name: artifact.files[0] for artifact in exported[0]}
    assert (
        files["litert-int8"].read_bytes() == files["tflite-runtime-int8"].read_bytes()
    )


@pytest.mark.slow
def test_the_same_program_gives_the_same_bytes(
    exported, convolutional_network, tmp_path: Path
) -> None:
    program, samples = convolutional_network
    again = export_all(program, VARIANTS, calibration=samples, folder=tmp_path)
    for first, second in zip(exported[0], again, strict=True):
        for one, other in zip(first.files, second.files, strict=True):
            assert one.read_bytes() == other.read_bytes(), first.name


class Unsupported(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(x)


@pytest.fixture(scope="module")
def unsupported() -> Program:
    return trace(Unsupported(), (InputSpec(shape=(4,)),))


@pytest.mark.parametrize(
    ("runtime", "title"), [("openvino", "ONNX"), ("litert", "LiteRT")]
)
def test_an_operator_a_format_lacks_is_one_line_by_name(
    unsupported, folder: Path, runtime, title
) -> None:
    words = rf"^{title} export of {runtime}-fp32 failed: .*bessel_j0"
    with pytest.raises(ArtifactError, match=words) as caught:
        export_all(unsupported, [(runtime, "fp32")], calibration=None, folder=folder)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert not list(folder.iterdir())
    assert not workers()


def test_an_interruption_ends_the_workers_and_leaves_nothing(
    convolutional_network, folder: Path
) -> None:
    program, samples = convolutional_network

    def interrupt(name: str) -> None:
        assert workers()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_all(
            program, VARIANTS, calibration=samples, folder=folder, on_done=interrupt
        )
    assert not workers()
    assert not list(folder.iterdir())


def test_a_crash_is_an_error_by_name(convolutional_network, folder: Path) -> None:
    program, samples = convolutional_network
    titles = {"litert-fp32": "LiteRT", "onnxruntime-fp32": "ONNX"}
    crashed: list[str] = []

    def crash(name: str) -> None:
        """Of the worker that is not done, whichever was faster."""
        [last] = titles.keys() - {name}
        [running] = [
            one
            for one in workers()
            if one.cmdline()[-1].endswith(f"{last.removesuffix('-fp32')}.json")
        ]
        os.kill(running.pid, signal.SIGSEGV)
        crashed.append(last)

    with pytest.raises(ArtifactError) as caught:
        export_all(
            program,
            [("litert", "fp32"), ("onnxruntime", "fp32")],
            calibration=samples,
            folder=folder,
            on_done=crash,
        )
    [last] = crashed
    words = rf"^{titles[last]} export of {last} failed: .* SIGSEGV"
    assert re.match(words, str(caught.value))
    assert not list(folder.iterdir())


def test_a_missing_library_is_named_with_its_remedy() -> None:
    libraries = {"numpy": "numpy", "no_such_module": "litert-torch"}
    lacking = replace(registry.get("litert"), libraries=libraries)
    with pytest.raises(
        RuntimeMissing,
        match=r"^LiteRT export needs litert-torch: pip install 'edgekit\[litert\]'$",
    ):
        check(lacking, "litert-fp32", "fp32", calibrated=False)


def test_what_cannot_be_made_is_refused_before_any_work(
    convolutional_network, folder: Path
) -> None:
    program, _ = convolutional_network
    with pytest.raises(
        ArtifactError, match=r"LiteRT .* int8 needs calibration samples"
    ):
        export_all(program, [("litert", "int8")], calibration=None, folder=folder)
    with pytest.raises(ArtifactError, match=r"int16x8 is not supported; .* fp32, fp16"):
        export_all(
            program, [("onnxruntime", "int16x8")], calibration=None, folder=folder
        )
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_is_named(
    convolutional_network, tmp_path: Path
) -> None:
    program, samples = convolutional_network
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"Cannot write to .*file/out \(Not a dir"):
        export_all(
            program,
            [("litert", "fp32")],
            calibration=np.asarray(samples),
            folder=tmp_path / "file" / "out",
        )
