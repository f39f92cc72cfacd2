"""A script of its own, for a Python with TensorFlow and tf2onnx: converts a SavedModel, or runs it.

    convert FOLDER SIGNATURE PLACE    writes model.onnx, frozen.pb and described.json into PLACE
    run PLACE                         runs frozen.pb on the inputs there

The graph is loaded as TensorFlow 1 does, so that no class of the author's and no optimizer is
needed. Imports nothing of EdgeKit.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow
import tf2onnx
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow.python.grappler import tf_optimizer
from tf2onnx import optimizer, tfonnx

tf = tensorflow.compat.v1
OPSET = 18
DEFAULT = "serving_default"
MOST = 1 << 31
"""Bytes of a graph, which is the limit of its format."""
IMAGE = 4
"""Dimensions of a tensor that is given with its channels first."""
UNSAFE = (
    "ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "PyFuncStateless", "EagerPyFunc",
    "SaveV2", "Save", "SaveSlices", "SaveDataset", "ShardedFilename_", "MergeV2Checkpoints",
    "PrintV2", "DebugIdentity", "DebugIdentityV2", "WriteSummary", "FileSystemSetConfiguration",
    "ReaderReadV2", "WholeFileReaderV2", "TextLineReaderV2", "FixedLengthRecordReaderV2",
    "TFRecordReaderV2", "IteratorGetNext", "Send", "Recv", "XlaHostCompute", "LookupTableImportV2",
    "InitializeTableFromTextFileV2", "LoadLibrary",
)  # fmt: skip
"""Operators that reach files, Python or other processes."""
_APART = ("_XlaMustCompile", "_noinline", "_lower_using_switch_merge")
"""Attributes that keep a function from being written out, or take loops apart, from which
tf2onnx makes recurrent layers."""
KEPT_APART = "remove_back_to_back"
"""The step of tf2onnx that folds batch norm into convolutions."""
SQUASHING = ("Softmax", "Sigmoid", "LogSoftmax", "Tanh", "ArgMax")


class Refused(Exception):
    """The SavedModel cannot be taken, for the reason in its text."""


def convert(folder: str, signature: str, place: str) -> None:
    """Write a signature's graph as ONNX and as it is frozen, and a description.

    Raises `Refused`, or whatever TensorFlow and tf2onnx raise.
    """
    graph = _graph(Path(folder))
    name, chosen = _chosen(graph, signature)
    inputs = {key: each.name for key, each in sorted(chosen.inputs.items())}
    outputs = {key: each.name for key, each in sorted(chosen.outputs.items())}
    if not inputs or not outputs:
        raise Refused(f"its signature '{name}' has no inputs or no outputs")
    frozen = _frozen(graph, Path(folder), [*inputs.values()], [*outputs.values()])
    _refuse_unsafe(frozen.node, frozen.library)
    plain = _plain(frozen, [*inputs.values(), *outputs.values()])
    _without_erfc(plain)
    (Path(place) / "frozen.pb").write_bytes(plain.SerializeToString())
    before = _kinds(plain.node, "op")
    images = [inputs[k] for k, e in chosen.inputs.items() if _is_image(e)]
    ranks = _ranks(plain, outputs)
    described = {
        "signature": name,
        "others": sorted(set(_signatures(graph)) - {name}),
        "versions": {
            "TensorFlow": tensorflow.__version__,
            "tf2onnx": tf2onnx.__version__,
        },
        "inputs": [
            {"key": k, "tensor": t, "first": t in images} for k, t in inputs.items()
        ],
        "outputs": [
            {"key": k, "tensor": t, "first": ranks[k] == IMAGE}
            for k, t in outputs.items()
        ],
        "held": _held(chosen),
        "operators": len([k for k in before if k not in ("Const", "Placeholder")]),
        "batch_norms": sum(k.startswith("FusedBatchNorm") for k in before),
    }
    model = _onnx(plain, described)
    after = _kinds(model.graph.node, "op_type")
    described["onnx_operators"] = len([k for k in after if k != "Constant"])
    described["onnx_batch_norms"] = after.count("BatchNormalization")
    (Path(place) / "model.onnx").write_bytes(model.SerializeToString())
    (Path(place) / "described.json").write_text(json.dumps(described))


def _graph(folder: Path) -> Any:
    path = folder / "saved_model.pb"
    if path.stat().st_size > MOST:
        raise Refused("its graph is larger than 2 GiB")
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise Refused("its saved_model.pb is damaged") from error
    for graph in model.meta_graphs:
        _plain_calls(graph.graph_def)
    graphs = [g for g in model.meta_graphs if "serve" in g.meta_info_def.tags]
    if not graphs:
        raise Refused("no graph in it is tagged 'serve'")
    return graphs[0]


def _plain_calls(graph: Any) -> None:
    """Let functions that were compiled as a whole be written out like others, and loops stay."""
    functions = graph.library.function
    bodies = (graph.node, *(each.node_def for each in functions))
    for each in (*functions, *(node for nodes in bodies for node in nodes)):
        for name in _APART:
            each.attr.pop(name, None)


def _plain(frozen: Any, ends: Sequence[str]) -> Any:
    """The graph with functions written out and constants folded, by TensorFlow's optimizer.

    In the passes of tf2onnx, which leaves graphs of fewer than four nodes as they are: one call
    of a function with one variable has three.
    """
    config = tf.ConfigProto()
    config.graph_options.infer_shapes = True
    rewrite = config.graph_options.rewrite_options
    rewrite.optimizers[:] = ["constfold", "function", "dependency"]
    rewrite.experimental_disable_folding_quantization_emulation = True
    rewrite.min_graph_nodes = -1
    meta = tf.train.export_meta_graph(graph_def=frozen)
    kept = meta_graph_pb2.CollectionDef()
    kept.node_list.value.extend(ends)
    meta.collection_def["train_op"].CopyFrom(kept)
    return tf_optimizer.OptimizeGraph(config, meta)


def _without_erfc(graph: Any) -> None:
    """`Erfc`, which tf2onnx lacks, as one less `Erf`, in place."""
    for node in [node for node in graph.node if node.op == "Erfc"]:
        kind = node.attr["T"].type
        one, erf = f"{node.name}/one", f"{node.name}/erf"
        value = tensorflow.make_tensor_proto(1, tensorflow.dtypes.as_dtype(kind), [])
        made = graph.node.add(name=one, op="Const")
        made.attr["dtype"].type = kind
        made.attr["value"].tensor.CopyFrom(value)
        graph.node.add(name=erf, op="Erf", input=list(node.input)).attr["T"].type = kind
        node.op = "Sub"
        node.input[:] = [one, erf]


def _signatures(graph: Any) -> list[str]:
    return [n for n in graph.signature_def if not n.startswith("__saved_model")]


def _chosen(graph: Any, name: str) -> tuple[str, Any]:
    names = _signatures(graph)
    listed = ", ".join(sorted(names)) or "none"
    if name and name not in names:
        raise Refused(f"it has no signature '{name}'; its signatures: {listed}")
    if not name and DEFAULT not in names and len(names) != 1:
        raise Refused(f"name one of its signatures, as in FOLDER#NAME: {listed}")
    name = name or (DEFAULT if DEFAULT in names else names[0])
    return name, graph.signature_def[name]


def _frozen(
    meta: Any, folder: Path, inputs: Sequence[str], outputs: Sequence[str]
) -> Any:
    """The graph from inputs to outputs with every variable's value in it."""
    nodes = [each.partition(":")[0] for each in outputs]
    stored = folder / "variables" / "variables"
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        saver = tf.train.import_meta_graph(meta, clear_devices=True)
        whole = graph.as_graph_def()
        _refuse_unsafe(_before(whole, nodes), whole.library)
        if stored.with_suffix(".index").is_file():
            restore = meta.saver_def.restore_op_name.partition(":")[0]
            _refuse_unsafe(_before(whole, [restore]), whole.library)
            saver.restore(session, str(stored))
        return tf.graph_util.convert_variables_to_constants(session, whole, nodes)


def _before(graph: Any, names: Sequence[str]) -> list[Any]:
    """The nodes that others depend on, themselves included."""
    nodes = {node.name: node for node in graph.node}
    left, seen = list(names), set()
    while left:
        name = left.pop().lstrip("^").partition(":")[0]
        if name not in seen and name in nodes:
            seen.add(name)
            left.extend(nodes[name].input)
    return [nodes[name] for name in seen]


def _refuse_unsafe(nodes: Sequence[Any], library: Any) -> None:
    functions = {each.signature.name: each for each in library.function}
    left, seen = list(nodes), set()
    while left:
        node = left.pop()
        if node.op in UNSAFE:
            raise Refused(
                f"its operator {node.op} '{node.name[:60]}' reaches files or runs code"
            )
        for name in (*_named(node), node.op):
            if name in functions and name not in seen:
                seen.add(name)
                left.extend(functions[name].node_def)


def _named(node: Any) -> Iterator[str]:
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        for each in value.list.func:
            yield each.name


def _kinds(nodes: Sequence[Any], field: str) -> list[str]:
    return [getattr(node, field) for node in nodes]


def _is_image(info: Any) -> bool:
    return len(info.tensor_shape.dim) == IMAGE and info.dtype == tf.float32


def _held(signature: Any) -> int:
    """The batch that the signature fixes; 0 where it is free."""
    sizes = [
        e.tensor_shape.dim[0].size
        for e in signature.inputs.values()
        if e.tensor_shape.dim
    ]
    return max(0, *sizes) if sizes else 0


def _ranks(frozen: Any, outputs: dict[str, str]) -> dict[str, int | None]:
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen, name="")
        return {k: graph.get_tensor_by_name(t).shape.rank for k, t in outputs.items()}


def _onnx(frozen: Any, described: dict[str, Any]) -> Any:
    inputs, outputs = described["inputs"], described["outputs"]
    taken = {each["key"] for each in inputs}
    for each in outputs:
        while each["key"] in taken:
            each["key"] += "_out"
        taken.add(each["key"])
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen, name="")
        made = tfonnx.process_tf_graph(
            graph,
            opset=OPSET,
            input_names=[each["tensor"] for each in inputs],
            output_names=[each["tensor"] for each in outputs],
            inputs_as_nchw=[each["tensor"] for each in inputs if each["first"]],
            outputs_as_nchw=[each["tensor"] for each in outputs if each["first"]],
            tensors_to_rename={e["tensor"]: e["key"] for e in (*inputs, *outputs)},
        )
    steps = dict(optimizer._get_optimizers())
    steps.pop(KEPT_APART, None)
    return optimizer.optimize_graph(made, optimizers=steps).make_model("savedmodel")


def run(place: str) -> None:
    """Write the outputs of the frozen graph in `place` for each of the inputs there."""
    folder = Path(place)
    described = json.loads((folder / "described.json").read_text())
    frozen = tf.GraphDef()
    frozen.ParseFromString((folder / "frozen.pb").read_bytes())
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen, name="")
        fetched = [graph.get_tensor_by_name(e["tensor"]) for e in described["outputs"]]
        ends = {n: _end(each) for n, each in enumerate(fetched)}
        with tf.Session(graph=graph) as session:
            for number in range(described["runs"]):
                with np.load(folder / f"inputs-{number}.npz") as arrays:
                    feeds = {
                        each["tensor"]: arrays[str(n)]
                        for n, each in enumerate(described["inputs"])
                    }
                found = dict(enumerate(session.run(fetched, feeds)))
                for n, end in ends.items():
                    if end is not None:
                        found[len(fetched) + n] = session.run(end, feeds)
                np.savez(
                    folder / f"outputs-{number}.npz",
                    **{str(n): value for n, value in found.items()},
                )


def _end(tensor: Any) -> Any:
    """The input of a softmax or the like that makes an output; `None` without one."""
    while tensor.op.type in ("Identity", "IdentityN"):
        tensor = tensor.op.inputs[tensor.value_index]
    return tensor.op.inputs[0] if tensor.op.type in SQUASHING else None


if __name__ == "__main__":
    tf.disable_eager_execution()
    try:
        if sys.argv[1] == "convert":
            convert(*sys.argv[2:])
        else:
            run(*sys.argv[2:])
    except Exception as error:  # noqa: BLE001 (TensorFlow's own words are the result)
        print(" ".join(str(error).split())[:400], file=sys.stderr)
        sys.exit(3 if isinstance(error, Refused) else 1)
