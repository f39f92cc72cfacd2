"""Sessions of ncnn: files that it refuses, and a whole inference."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ncnn", reason="needs pip install 'edgekit[ncnn]'")

from edgekit.agent import runtimes
from edgekit.agent.errors import AgentError
from edgekit.agent.runtimes import ncnn as runtime
from tests.runtime.runtimes.ncnn.relu import ENDS, LAYERS, write_relu


def test_what_is_refused_is_named(tmp_path: Path) -> None:
    found, version = runtimes.find("ncnn")
    assert version
    options = runtimes.settings(found, {})
    with pytest.raises(AgentError, match="no option 'xnnpack'"):
        runtimes.settings(found, {"xnnpack": True})
    file = write_relu(tmp_path / "model.param")
    file.write_text(LAYERS)
    with pytest.raises(AgentError, match="no line '# edgekit' with the shapes"):
        runtimes.open_model(found, str(file), 1, options)
    file.write_text("7767517\n1 1\nNothing none 0 1 in0\n")
    with pytest.raises(AgentError, match=r"model\.param is refused by ncnn"):
        runtimes.open_model(found, str(file), 1, options)


@pytest.mark.parametrize("fp16", [False, True])
def test_a_session_gives_what_the_layer_does_each_time(
    tmp_path: Path, fp16: bool
) -> None:
    file = write_relu(tmp_path / "model.param")
    session = runtime.load(str(file), 2, {"fp16": fp16})
    [given], [made] = session.inputs, session.outputs
    assert (given.name, given.shape, given.dtype) == ("x", (1, 4), "float32")
    assert (made.name, made.shape) == ("y", (1, 4))
    draw = np.random.default_rng(0)
    for _ in range(2):
        x = draw.standard_normal((1, 4)).astype(np.float32)
        session.prepare([x])
        session.invoke()
        np.testing.assert_allclose(session.read()[0], np.maximum(x, 0), atol=1e-3)


def test_an_output_of_another_size_is_an_error(tmp_path: Path) -> None:
    file = write_relu(tmp_path / "model.param")
    wrong = {**ENDS, "outputs": [{**ENDS["outputs"][0], "shape": [1, 5]}]}
    file.write_text(f"{LAYERS}{runtime.MARK}{json.dumps(wrong)}\n")
    session = runtime.load(str(file), 1, {"fp16": False})
    session.prepare([np.zeros((1, 4), np.float32)])
    session.invoke()
    with pytest.raises(AgentError, match=r"'y' is \[4\], the network's \[1, 5\]"):
        session.read()
