from __future__ import annotations

import json
from typing import Any

import pytest

from edgekit.agent.schema import SCHEMA
from edgekit.devices.results import understand
from edgekit.errors import ArtifactError, DeviceError, RuntimeMissing

JOB = {"kind": "bench", "runtime": "openvino", "path": "/models/student.xml"}


def reply(kind: str, message: str, **more: str) -> str:
    error = {"kind": kind, "message": message, **more}
    return json.dumps({"schema": SCHEMA, "kind": "bench", "error": error})


def ask(status: int, said: str, text: str | None) -> dict[str, Any]:
    return understand(status, said, text, job=JOB, device="local")


def test_a_result_passes() -> None:
    whole = json.dumps({"schema": SCHEMA, "error": None, "x": 1})
    assert ask(0, "noise", whole)["x"] == 1


@pytest.mark.parametrize("version", [{}, {"schema": SCHEMA + 1}])
def test_a_result_of_another_release_is_refused(version: dict[str, int]) -> None:
    """Return whether it is good or bad news: its fields may mean something else."""
    for error in (None, {"kind": "internal", "message": "x"}):
        with pytest.raises(DeviceError, match=f"this EdgeKit supports {SCHEMA}"):
            ask(0, "", json.dumps({**version, "error": error, "samples_ns": []}))


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        (
            reply("runtime_missing", "openvino needs the package openvino (none)."),
            RuntimeMissing,
            r"On local, openvino needs .*: pip install 'edgekit\[openvino\]'\.",
        ),
        (
            reply("numpy_missing", "The agent needs numpy."),
            RuntimeMissing,
            "On local, the agent needs numpy: pip install numpy",
        ),
        (
            reply("model_unreadable", "student.xml is refused."),
            ArtifactError,
            "bench of /models/student.xml on local: student.xml is refused",
        ),
        (reply("inference_failed", "Bad."), ArtifactError, "Bad"),
        (reply("inputs_invalid", "Bad."), ArtifactError, "Bad"),
        (reply("out_of_memory", "No memory."), DeviceError, "No memory"),
        (
            reply("internal", "KeyError: 'x'", where="bench.py:3"),
            DeviceError,
            r"KeyError: 'x' \(bench.py:3\)",
        ),
        ("half a res", DeviceError, "the result is not JSON"),
        ("[]", DeviceError, "not an object"),
    ],
)
def test_errors_of_the_agent_become_ours(
    text: str, error: type[DeviceError], words: str
) -> None:
    with pytest.raises(error, match=words):
        ask(1, "", text)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (-9, r"SIGKILL \(137\): killed from outside, most often because memory"),
        (137, r"SIGKILL \(137\)"),
        (139, r"SIGSEGV \(139\): the runtime crashed on this model: last words"),
        (-4, "built for a newer processor"),
        (142, "did not finish in time"),
        (3, "ended with exit status 3 and no result: last words"),
        (255, "ended with exit status 255"),
    ],
)
def test_an_end_without_a_result_is_explained(status: int, words: str) -> None:
    with pytest.raises(DeviceError, match=words):
        ask(status, "first words\nlast words\n\n", None)


def test_millions_of_samples_come_as_an_array_and_nothing_else_changes() -> None:
    head = '{"schema": 2, "kind": "bench", "error": null, "samples_ns": ['
    whole = understand(
        0,
        "",
        f'{head}12, 345, 6], "timed_s": 1.5, "trace": [1]}}',
        job={"kind": "bench"},
        device="local",
    )
    assert list(whole["samples_ns"]) == [12, 345, 6]
    assert (whole["timed_s"], whole["trace"]) == (1.5, [1])
    empty = understand(0, "", f"{head}]}}", job={"kind": "bench"}, device="local")
    assert not empty["samples_ns"]
    with pytest.raises(DeviceError, match="not JSON"):
        understand(0, "", f"{head}1, 2", job={"kind": "bench"}, device="local")
