"""ONNX files as programs that compute the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

import edgekit as ek
from edgekit import sources
from edgekit.commands.inspection import inspect
from edgekit.errors import ModelError
from edgekit.program.program import Program
from edgekit.program.program import load as load_pt2
from edgekit.sources.onnx import registry
from edgekit.sources.onnx.loading import load
from edgekit.types import InputSpec, ModelSpec
from tests.unit.sources.onnx.models import classifier, saved, weights

make = helper.make_node


def by_runtime(path: Path, **feeds: Any) -> list[Any]:
    session = onnxruntime.InferenceSession(str(path))
    return list(session.run(None, feeds))


def outputs(program: Program, *inputs: Any) -> list[Any]:
    with torch.no_grad():
        given = program.module(*(torch.from_numpy(each) for each in inputs))
    given = [given] if isinstance(given, torch.Tensor) else given
    return [each.numpy() for each in given]


def drawn(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


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


def test_what_computes_something_else_is_refused_by_tensor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = classifier(tmp_path / "net.onnx")
    (entry,) = registry._TABLE["", "Relu"]
    wrong = dataclasses.replace(entry, compute=lambda call, x: torch.relu(x) * 1.01)
    monkeypatch.setitem(registry._TABLE, ("", "Relu"), [wrong])
    with pytest.raises(ModelError, match="first tensor that differs is 'r' of Relu"):
        load(path)


def test_a_saturated_softmax_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its outputs are the same at one place, whatever comes before."""
    constants = {"w": 500 * np.eye(4, dtype=np.float32)}
    path = saved(
        tmp_path / "net.onnx",
        [make("MatMul", ["x", "w"], ["m"]), make("Tanh", ["m"], ["y"])],
        {"x": (1, 4)},
        {"y": (1, 4)},
        constants,
    )
    load(path)
    entry = registry.find("", "MatMul", 17)
    assert entry is not None
    wrong = dataclasses.replace(
        entry, compute=lambda call, x, w: entry.compute(call, x, w) * 1.2
    )
    monkeypatch.setitem(registry._TABLE, ("", "MatMul"), [wrong])
    with pytest.raises(ModelError, match="differs from ONNX Runtime"):
        load(path)


def lstm(path: Path) -> Path:
    """A state whose batch is its second dimension, chosen by a rate that is to be fixed."""
    constants = weights(W=(1, 32, 6), R=(1, 32, 8), B=(1, 64))
    constants |= {
        "expected": np.array(16000, np.int64),
        "time": np.array([0], np.int64),
        "first": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "two": np.array([2], np.int64),
    }
    taken = ["steps", "W", "R", "B", "", "h0", "c0"]
    inner = helper.make_graph(
        [
            make("Slice", ["state", "first", "one", "time"], ["h0"]),
            make("Slice", ["state", "one", "two", "time"], ["c0"]),
            make("Unsqueeze", ["x", "time"], ["steps"]),
            make("LSTM", taken, ["Y", "h", "c"], hidden_size=8),
            make("Concat", ["h", "c"], ["new"], axis=0),
            make("Squeeze", ["h", "time"], ["last"]),
        ],
        "yes",
        [],
        [helper.make_empty_tensor_value_info(n) for n in ("last", "new")],
    )
    other = helper.make_graph(
        [make("Unknown8k", ["x"], ["none"]), make("Identity", ["state"], ["same"])],
        "no",
        [],
        [helper.make_empty_tensor_value_info(n) for n in ("none", "same")],
    )
    nodes = [
        make("Equal", ["rate", "expected"], ["is_16k"]),
        make("If", ["is_16k"], ["out", "state_out"], then_branch=inner, else_branch=other),
    ]  # fmt: skip
    return saved(
        path,
        nodes,
        {"x": ("N", 6), "state": (2, "N", 8), "rate": ()},
        {"out": ("N", 8), "state_out": (2, "N", 8)},
        constants,
        dtypes={"rate": TensorProto.INT64},
    )


def test_a_fixed_input_decides_and_the_batch_of_a_state_comes_first(
    tmp_path: Path,
) -> None:
    path = lstm(tmp_path / "net.onnx")
    model = onnx.load(path)
    for attribute in model.graph.node[1].attribute:
        if attribute.name == "else_branch":  # which ONNX Runtime needs
            attribute.g.node[0].op_type = "Relu"
    onnx.save(model, path)
    with pytest.raises(ModelError, match="'rate' has no dimension for the batch"):
        load(path)
    program = load(path, fixed={"rate": 16000})
    x, state = drawn(3, 6), drawn(3, 2, 8, seed=1)
    expected = by_runtime(
        path, x=x, state=state.swapaxes(0, 1), rate=np.array(16000, np.int64)
    )
    found = outputs(program, x, state)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-6)
    np.testing.assert_allclose(found[1].swapaxes(0, 1), expected[1], atol=1e-6)
    assert program.inputs[1] == InputSpec(name="state", shape=(2, 8))
    assert program.remarks[-1].endswith("here moved for state, state_out.")
    assert {n.rpartition(".")[2] for n, _ in program.module.named_parameters()} == {
        "weight_ih",
        "weight_hh",
        "bias_ih",
        "bias_hh",
    }


def test_free_sizes_are_asked_for_and_taken(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "net.onnx",
        [make("Conv", ["x", "w"], ["c"]), make("GlobalAveragePool", ["c"], ["y"])],
        {"x": ("N", 3, "h", "w_")},
        {"y": None},
        weights(w=(4, 3, 3, 3)),
    )
    with pytest.raises(ModelError, match="free sizes: h, w_"):
        load(path)
    with pytest.raises(ModelError, match=r"has \[4, 8, 8\]"):
        load(path, inputs=[InputSpec(shape=(4, 8, 8))])
    assert load(path, inputs=[InputSpec(shape=(3, 8, 8))]).inputs[0].shape == (3, 8, 8)


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


def float_net(path: Path) -> Path:
    constants = weights(w=(8, 3, 3, 3), b=(8,), head=(8, 5))
    constants = {name: value * np.float32(0.3) for name, value in constants.items()}
    nodes = [
        make("Conv", ["x", "w", "b"], ["c"], name="stem/Conv"),
        make("Relu", ["c"], ["r"]),
        make("GlobalAveragePool", ["r"], ["p"]),
        make("Flatten", ["p"], ["f"]),
        make("MatMul", ["f", "head"], ["y"], name="head/MatMul"),
    ]
    return saved(path, nodes, {"x": ("N", 3, 8, 8)}, {"y": ("N", 5)}, constants)


class Samples:
    """As ONNX Runtime's quantizer reads them."""

    def __init__(self) -> None:
        self.left = [{"x": drawn(4, 3, 8, 8, seed=n)} for n in range(4)]

    def get_next(self) -> Any:
        return self.left.pop() if self.left else None


@pytest.mark.parametrize("form", ["QDQ", "QOperator", "dynamic"])
@pytest.mark.parametrize("kind", ["QInt8", "QUInt8"])
def test_quantized_files_come_in_dequantized_and_say_so(
    tmp_path: Path, form: str, kind: str
) -> None:
    from onnxruntime import quantization as q

    source, path = float_net(tmp_path / "f.onnx"), tmp_path / "q.onnx"
    if form == "dynamic":
        q.quantize_dynamic(source, path, weight_type=q.QuantType[kind])
    else:
        q.quantize_static(
            source,
            path,
            Samples(),
            quant_format=q.QuantFormat[form],
            activation_type=q.QuantType[kind],
            weight_type=q.QuantType.QInt8,
            per_channel=form == "QDQ",
        )
    program = load(path)
    x = drawn(3, 3, 8, 8, seed=9)
    (expected,) = by_runtime(source, x=x)
    np.testing.assert_allclose(
        outputs(program, x)[0], expected, atol=0.05 * float(np.ptp(expected))
    )
    assert "comes in dequantized" in program.remarks[-1]
    names = [name for name, _ in program.module.named_parameters()]
    assert len(names) == 3, names


def test_a_file_in_half_precision_comes_in_in_single(tmp_path: Path) -> None:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    source = float_net(tmp_path / "f.onnx")
    half = convert_float_to_float16(onnx.load(source))
    onnx.save(half, tmp_path / "h.onnx")
    program = load(tmp_path / "h.onnx")
    x = drawn(3, 3, 8, 8)
    (expected,) = by_runtime(source, x=x)
    np.testing.assert_allclose(outputs(program, x)[0], expected, atol=5e-3)
    assert program.inputs[0].dtype is None
    assert "fp16" in program.remarks[-1]


class Pictures(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.deep = nn.Conv2d(8, 8, 3, 1, 1, groups=8)
        self.up = nn.ConvTranspose2d(8, 4, 2, 2)
        self.groups = nn.GroupNorm(2, 4)

    def forward(self, x: torch.Tensor) -> Any:
        y = nn.functional.hardswish(self.norm(self.stem(x)))
        y = self.groups(self.up(nn.functional.relu6(self.deep(y))))
        y = nn.functional.interpolate(y, scale_factor=2, mode="bilinear")
        return y, y.mean((2, 3))


class Words(nn.Module):
    """Attention whose samples lie in the second dimension, as `nn.MultiheadAttention` has them."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 32)
        self.place = nn.Parameter(torch.randn(1, 16, 32))
        self.attention = nn.MultiheadAttention(32, 4)
        self.norm = nn.LayerNorm(32)
        self.head = nn.Linear(32, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = (self.table(x) + self.place).transpose(0, 1)
        y = y + self.attention(y, y, y, need_weights=False)[0]
        return self.head(self.norm(y)[0])


class Steps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.LSTM(6, 8, bidirectional=True, batch_first=True)
        self.then = nn.GRU(16, 8, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.then(self.first(x)[0])[0][:, -1]


_NETS: dict[type[nn.Module], torch.Tensor] = {
    Pictures: torch.randn(1, 3, 16, 16),
    Words: torch.randint(0, 50, (1, 16)),
    Steps: torch.randn(1, 5, 6),
}


@pytest.mark.parametrize("kind", _NETS)
@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
@pytest.mark.filterwarnings("ignore")
def test_what_torch_exports_with_one_sample_comes_back(
    tmp_path: Path, kind: type[nn.Module], dynamo: bool
) -> None:
    torch.manual_seed(0)
    network, x = kind().eval(), _NETS[kind]
    path = tmp_path / "net.onnx"
    with torch.no_grad():
        torch.onnx.export(network, (x,), str(path), dynamo=dynamo, verbose=False)
    program = load(path)
    more = torch.cat([x, x.flip(-1), x.roll(1, -1)])
    with torch.no_grad():
        expected = network(more)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for one, other in zip(outputs(program, more.numpy()), expected, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=2e-5)


def test_a_name_that_is_not_a_text_is_refused(tmp_path: Path) -> None:
    path = classifier(tmp_path / "net.onnx")
    path.write_bytes(path.read_bytes().replace(b"head.bias", b"head\xffbias"))
    with pytest.raises(ModelError, match="not UTF-8"):
        load(path)


@pytest.mark.parametrize("place", ["../w.bin", "/etc/passwd", "missing.bin"])
def test_weights_outside_of_the_folder_are_not_read(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    model = onnx.load(classifier(folder / "net.onnx"))
    (tmp_path / "w.bin").write_bytes(bytes(1 << 16))
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=place)
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError) as refused:
        load(folder / "net.onnx")
    assert "\n" not in str(refused.value)
    if place != "missing.bin":
        assert "outside of its folder" in str(refused.value)


def test_weights_beside_the_model_are_read(tmp_path: Path) -> None:
    path = classifier(tmp_path / "net.onnx")
    x = drawn(1, 3, 8, 8)
    expected = by_runtime(path, picture=x)
    onnx.save_model(
        onnx.load(path),
        path,
        save_as_external_data=True,
        location="w.bin",
        size_threshold=0,
    )
    np.testing.assert_allclose(outputs(load(path), x)[0], expected[0], atol=1e-6)


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


@pytest.mark.parametrize(
    ("kind", "inputs", "said"),
    [
        ("NonZero", 1, "depends on values"),
        ("RoiAlign", 3, "a row for each region, not for each sample"),
        ("MaxRoiPool", 2, "a row for each region, not for each sample"),
        ("RandomNormalLike", 1, "draws random numbers"),
        ("TfIdfVectorizer", 1, "counts words"),
        ("StringNormalizer", 1, "takes text"),
    ],
)
def test_refused_operators_say_what_is_true_of_them(
    tmp_path: Path, kind: str, inputs: int, said: str
) -> None:
    more = {"a": (1, 4), "b": (1,)}
    names = ["x", *list(more)[: inputs - 1]]
    path = saved(
        tmp_path / "net.onnx",
        [make("Relu", ["given"], ["x"]), make(kind, names, ["y"])],
        {"given": (1, 3, 8, 8)},
        {"y": None},
        weights(**more),
    )
    with pytest.raises(ModelError, match=f'{kind}.*{said}.*outputs = \\["x"') as error:
        load(path)
    assert "\n" not in str(error.value)
