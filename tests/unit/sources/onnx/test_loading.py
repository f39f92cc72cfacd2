"""ONNX files as programs that compute the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto

import edgekit as ek
from edgekit import sources
from edgekit.commands.inspection import inspect
from edgekit.errors import ModelError
from edgekit.program.program import load as load_pt2
from edgekit.sources.onnx.loading import load
from edgekit.types import InputSpec, ModelSpec
from tests.unit.sources.onnx.agreement import by_runtime, drawn, outputs
from tests.unit.sources.onnx.models import classifier, make, saved, weights


@pytest.mark.parametrize("batch", [1, "N"])
def test_a_classifier_comes_in_whole_and_for_any_batch(
    tmp_path: Path, batch: Any
) -> None:
    path = classifier(tmp_path / "net.onnx", batch=batch)
    program = load(path)
    x = drawn(3, 3, 8, 8)
    expected = np.concatenate(
        [by_runtime(path, picture=x[n : n + 1])[0] for n in range(3)]
    )
    np.testing.assert_allclose(outputs(program, x)[0], expected, atol=1e-6)
    assert program.inputs == (InputSpec(name="picture", shape=(3, 8, 8)),)
    assert program.outputs == ("scores",)
    assert [name for name, _ in program.module.named_parameters()] == [
        "features.0.weight",
        "features.1.weight",
        "features.1.bias",
        "head.weight",
        "head.bias",
    ]
    assert [name for name, _ in program.module.named_buffers()] == [
        "features.1.running_mean",
        "features.1.running_var",
    ]
    (norm,) = program.module.graph.find_nodes(
        op="call_function", target=torch.ops.aten.batch_norm.default
    )
    assert norm.args[6:8] == (pytest.approx(0.3), pytest.approx(2e-3))
    assert program.remarks[0].startswith(
        "Checked against ONNX Runtime at batch 1 and 3: the output differs by at most"
    )


def test_names_of_outputs_outlive_a_file_of_ours(tmp_path: Path) -> None:
    program = load(classifier(tmp_path / "net.onnx"))
    program.save(tmp_path / "net.pt2")
    assert load_pt2(tmp_path / "net.pt2").outputs == ("scores",)


def test_the_project_file_names_an_onnx_file(tmp_path: Path) -> None:
    classifier(tmp_path / "net.onnx")
    program = sources.load(ModelSpec(source="net.onnx"), root=tmp_path)
    assert program.outputs == ("scores",)
    with pytest.raises(ModelError, match="has its weights in it"):
        sources.load(
            ModelSpec(source="net.onnx", weights="w.safetensors"), root=tmp_path
        )


def test_what_no_one_trains_through_is_cut_off_at_named_tensors(tmp_path: Path) -> None:
    constants = weights(w=(6, 4))
    path = saved(
        tmp_path / "net.onnx",
        [
            make("Gemm", ["x", "w"], ["rows"], transB=1),
            make("Sigmoid", ["rows"], ["scores"]),
            make("NonZero", ["scores"], ["places"]),
        ],
        {"x": (1, 4)},
        {"places": None},
        constants,
        dtypes={"places": TensorProto.INT64},
    )
    with pytest.raises(ModelError, match=r'outputs = \["scores"\]'):
        load(path)
    with pytest.raises(ModelError, match="no operator of the file gives"):
        load(path, outputs=["score"])
    program = load(path, outputs=["scores"])
    assert program.outputs == ("scores",)
    assert outputs(program, drawn(2, 4))[0].shape == (2, 6)
    assert "holds a batch of 1, and" in program.remarks[0]


def test_the_library_takes_a_file_and_logs_how_it_agrees(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "edgekit"):
        network = ek.load(classifier(tmp_path / "net.onnx"))
    assert network.inputs[0].shape == (3, 8, 8)
    assert "Checked against ONNX Runtime" in caplog.text


def free_sizes(path: Path) -> Path:
    """A convolution of images of any size, scaled by an input, and its largest values."""
    return saved(
        path,
        [
            make("Conv", ["picture", "w"], ["seen"], pads=[1, 1, 1, 1]),
            make("Mul", ["seen", "gain"], ["scaled"]),
            make("GlobalMaxPool", ["scaled"], ["most"]),
        ],
        {"picture": ("n", 3, "h", "w"), "gain": ()},
        {"most": ("n", 4, 1, 1)},
        weights(w=(4, 3, 3, 3)),
    )


def test_the_library_sets_free_sizes_fixes_inputs_and_ends_at_tensors(
    tmp_path: Path,
) -> None:
    path = free_sizes(tmp_path / "net.onnx")
    picture = drawn(2, 3, 6, 5)
    network = ek.load(
        path,
        example_input=torch.zeros(1, 3, 6, 5),
        outputs=["scaled"],
        fixed={"gain": 2.0},
    )
    assert network.program.outputs == ("scaled",)
    expected = ek.load(
        path, example_input=torch.zeros(1, 3, 6, 5), outputs=["seen"]
    ).module(torch.from_numpy(picture))
    found = network.module(torch.from_numpy(picture))
    assert torch.allclose(found, 2 * expected, atol=1e-5)


def test_tensors_can_be_named_of_an_onnx_file_alone(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"name tensors of .* or a file ending in \.onnx"
    ):
        ek.load(tmp_path / "net.pt2", outputs=["a"])
    with pytest.raises(ModelError, match="a module has no such names"):
        ek.load(torch.nn.ReLU(), example_input=torch.zeros(1, 3), fixed={"a": 1.0})


def test_inspect_takes_the_sizes_that_a_file_leaves_free(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "net.onnx",
        [make("Conv", ["x", "w"], ["seen"]), make("Relu", ["seen"], ["y"])],
        {"x": ("n", 3, "h", "w")},
        {"y": ("n", 4, "a", "b")},
        weights(w=(4, 3, 3, 3)),
    )
    assert inspect(str(path), inputs=["3,6,5"]).inputs[0].shape == (3, 6, 5)
    with pytest.raises(ModelError, match=r"free sizes: h, w.*--input"):
        inspect(str(path))
    with pytest.raises(ModelError, match=r"has sizes \[3, 'h', 'w'\].*\[1, 6, 5\]"):
        inspect(str(path), inputs=["1,6,5"])
    with pytest.raises(ModelError, match=r"takes 1 inputs \(x\), and 2 are given"):
        inspect(str(path), inputs=["3,6,5", "3,6,5"])


def test_inspect_takes_all_that_the_project_says_of_a_file(tmp_path: Path) -> None:
    free_sizes(tmp_path / "net.onnx")
    (tmp_path / "edgekit.toml").write_text(
        '[model]\nsource = "net.onnx"\noutputs = ["scaled"]\n'
        'input = { shape = [3, 6, 5], name = "picture" }\n[model.fixed]\ngain = 2.0\n'
        '[data]\ntrain = "a.npz"\ntest = "a.npz"\n'
    )
    found = inspect(folder=tmp_path)
    assert [one.name for one in found.inputs] == ["picture"]
