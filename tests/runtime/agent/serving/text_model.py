"""A tiny model of texts: it counts "bad", "good", the tokens of a second text and all tokens."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.types import TextContract
from tests import texts
from tests.runtime.conftest import TinyModel


@dataclass(frozen=True, kw_only=True)
class TextModel(TinyModel):
    """A model with its contract in the description of a bundle."""

    text: dict[str, Any]


def contract_in(folder: Path, pair: bool = False) -> TextContract:
    """Write the `tokenizer.json` of a bundle, and return its contract."""
    from dataclasses import replace

    how = texts.request(folder / "source").text
    assert how is not None
    how = replace(how, pair=pair)
    (folder / "tokenizer.json").write_text(how.content, encoding="utf-8")
    return how.contract


def write_text_model(
    folder: Path, pair: bool = False, beside: bool = False
) -> TextModel:
    """Four sums over the tokens: "bad", "good", those of a second text, those of the mask;
    or twice what is given `beside` them as `meta`, in place of the last two."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    contract = contract_in(folder, pair)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.INT64, [1, texts.LENGTH])
        for name in texts.NAMES
    ]
    ends.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4]))
    nodes = [
        helper.make_node("Equal", ["input_ids", word], [f"is_{word}"])
        for word in ("bad", "good")
    ]
    counted = ["is_bad", "is_good", "token_type_ids", "attention_mask"]
    for name in counted:
        nodes += [
            helper.make_node("Cast", [name], [f"{name}_f"], to=TensorProto.FLOAT),
            helper.make_node("ReduceSum", [f"{name}_f", "axis"], [f"{name}_n"]),
        ]
    joined = [f"{n}_n" for n in (counted[:2] if beside else counted)]
    if beside:
        meta = helper.make_tensor_value_info("meta", TensorProto.FLOAT, [1, 2])
        ends.insert(0, meta)
        nodes.append(helper.make_node("Add", ["meta", "meta"], ["twice"]))
        joined.append("twice")
    nodes.append(helper.make_node("Concat", joined, ["y"], axis=1))
    numbers = {"bad": 6, "good": 5}
    assert [texts.vocabulary()[n] for n in numbers.values()] == [*numbers]
    initial = [
        numpy_helper.from_array(np.array(value, np.int64), name)
        for name, value in (*numbers.items(), ("axis", [1]))
    ]
    graph = helper.make_graph(nodes, "texts", ends[:-1], ends[-1:], initial)
    opset = [helper.make_opsetid("", 18)]
    path = folder / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return TextModel(
        runtime="onnxruntime",
        path=path,
        reference=lambda x: x,
        input_shape=(texts.LENGTH,),
        text=asdict(contract),
    )
