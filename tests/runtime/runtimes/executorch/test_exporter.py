"""ExecuTorch programs give what the network gave, in every precision."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.agent.runtimes.executorch import trailer
from tests.runtime.export.apart import cosine, relative_error
from tests.runtime.runtimes.several import keeps_several

pytestmark = pytest.mark.slow
RUNTIME = "executorch"


def test_fp32_matches_with_names_of_its_ends(network, made, want) -> None:
    _, samples = network
    artifact = made.artifacts["fp32"]
    assert [file.name for file in artifact.files] == ["fp32.pte"]
    [spec] = artifact.inputs
    assert (spec.name, spec.shape) == ("image", (1, *samples.shape[1:]))
    assert (spec.dtype, spec.quantization) == ("float32", None)
    assert spec.layout == ("NCHW" if samples.ndim == 4 else None)
    assert artifact.outputs[0].name == "output"
    assert relative_error(made.outputs["fp32"][0], want) < 1e-4
    assert trailer(artifact.files[0].read_bytes())["labels"] == ["cat", "naïve dog"]


def test_int8_is_close_smaller_and_keeps_float_ends(made, want) -> None:
    for precision in ("int8", "int8-dynamic"):
        artifact = made.artifacts[precision]
        assert artifact.inputs[0].dtype == artifact.outputs[0].dtype == "float32"
        assert cosine(made.outputs[precision][0], want) >= 0.98
    assert made.artifacts["int8"].files[0].stat().st_size < 1.1 * (
        made.artifacts["fp32"].files[0].stat().st_size
    )


def test_several_inputs_and_outputs_keep_their_names_and_order(
    two_inputs, apart, tmp_path: Path
) -> None:
    keeps_several(two_inputs, apart, tmp_path, RUNTIME)
