"""Files and examples of pnnx, and its reason where there are none."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from edgekit.errors import ArtifactError
from edgekit.runtimes.ncnn import pnnx

USAGE = """
    with ncnn.Net() as net:
        with net.create_extractor() as ex:
            ex.input("in0", ncnn.Mat(in0.numpy(), batch_index=0).clone())
            ex.input("in1", ncnn.Mat(in1.numpy(), batch_index=233).clone())

            _, out0 = ex.extract("out0")
            out.append(torch.from_numpy(out0.numpy(batch_index=0)))
            _, out1 = ex.extract("out1")
"""


def test_the_example_of_use_names_the_ends() -> None:
    found = pnnx._blobs(USAGE)
    assert (found.inputs, found.batches) == (("in0", "in1"), (0, None))
    assert found.outputs == ("out0", "out1")


@pytest.mark.skipif(
    importlib.util.find_spec("pnnx") is None, reason="needs pip install 'edgekit[ncnn]'"
)
def test_a_file_that_is_no_torchscript_is_an_error(tmp_path: Path) -> None:
    script = tmp_path / "net.pt"
    script.write_bytes(b"nothing")
    with pytest.raises(ArtifactError):
        pnnx.convert(script, [((1, 4), "float32")], tmp_path / "o.param", fp16=False)
    assert [file.name for file in tmp_path.iterdir()] == ["net.pt"]
