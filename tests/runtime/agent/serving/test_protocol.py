"""Requests to a server: tensors by name, and texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.agent.serving import protocol
from edgekit.agent.serving.model import ServedModel
from tests import texts
from tests.runtime.agent.serving.test_server import (
    INFER,
    Served,
    request,
    write_description,
)
from tests.runtime.agent.serving.text_model import write_text_model

GOOD, BAD = [0.0, 2.0, 0.0, 4.0], [1.0, 0.0, 0.0, 3.0]


def tensor(data: Any, shape: Any, name: str = "text") -> dict[str, Any]:
    given = {"name": name, "shape": shape, "datatype": "BYTES", "data": data}
    return {"id": "7", "inputs": [given]}


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        ({"text": "good good"}, [GOOD]),
        ({"text": ["good good", "bad"]}, [GOOD, BAD]),
        (tensor(["bad", "good good"], [2]), [BAD, GOOD]),
        (tensor([["bad"]], [1, 1]), [BAD]),
        (tensor(["bad"], [1, 1]), [BAD]),
    ],
)
def test_texts_are_inferred(served_text: Served, body: Any, rows: Any) -> None:
    status, reply = served_text.ask(INFER, body)
    assert status == 200, reply
    [output] = reply["outputs"]
    assert output["shape"] == [len(rows), 4]
    assert output["data"] == [value for row in rows for value in row]
    assert reply.get("id") == body.get("id")


@pytest.fixture
def served_both(tmp_path: Path) -> ServedModel:
    model = write_text_model(tmp_path, beside=True)
    write_description(tmp_path, model)
    return ServedModel(tmp_path, json.loads((tmp_path / "image.json").read_text()))


META = {"name": "meta", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]}


@pytest.mark.parametrize(
    "body",
    [
        {"text": "bad", "inputs": [META]},
        {"inputs": [META, *tensor(["bad"], [1])["inputs"]]},
        {"inputs": [*tensor(["bad"], [1])["inputs"], META]},
    ],
)
def test_numbers_beside_a_text_are_by_name(
    served_both: ServedModel, body: dict[str, Any]
) -> None:
    reply = protocol.answer(served_both, "tiny", json.dumps(body).encode())
    assert reply["outputs"][0]["data"] == [*BAD[:2], 2.0, 4.0]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"text": "bad"}, "takes 'meta' beside each text"),
        ({"text": ["bad", "good"], "inputs": [META]}, "takes 'meta' beside each text"),
        ({"text": "bad", "inputs": [{**META, "name": "x"}]}, "no 'x' beside a text"),
        ({"text": "bad", "inputs": 3}, "'inputs' must be a list of tensors"),
        ({"text": "bad", "inputs": [3]}, "must be an object with a 'name'"),
        ({"text": "bad", "inputs": [{**META, "data": [1]}]}, "its shape needs 2"),
    ],
)
def test_what_is_wrong_beside_a_text_is_named(
    served_both: ServedModel, body: dict[str, Any], words: str
) -> None:
    with pytest.raises(protocol.Refused, match=words):
        protocol.answer(served_both, "tiny", json.dumps(body).encode())


def test_tokens_are_still_taken(served_text: Served) -> None:
    ids = texts.numbers("good", "good")
    named = {"input_ids": ids, "attention_mask": [int(x > 0) for x in ids],
             "token_type_ids": [0] * texts.LENGTH}  # fmt: skip
    inputs = [
        {"name": name, "shape": [1, texts.LENGTH], "datatype": "INT64", "data": data}
        for name, data in named.items()
    ]
    status, reply = served_text.ask(INFER, {"inputs": inputs})
    assert status == 200 and reply["outputs"][0]["data"] == GOOD


def test_the_contract_is_in_the_metadata(served_text: Served) -> None:
    about = served_text.ask("/v2/models/tiny")[1]["parameters"]["text"]
    assert (about["length"], about["pair"]) == (texts.LENGTH, False)
    assert about["inputs"]["attention_mask"] == "mask"


@pytest.fixture
def served_two(tmp_path: Path) -> ServedModel:
    """A file of two inputs and two outputs, each its input turned round or doubled."""
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("image", [1, 2]), ("meta", [1, 3])) * 2
    ]
    for end, name in zip(ends[2:], ("turned", "doubled"), strict=True):
        end.name = name
    nodes = [
        helper.make_node("Neg", ["image"], ["turned"]),
        helper.make_node("Add", ["meta", "meta"], ["doubled"]),
    ]
    graph = helper.make_graph(nodes, "two", ends[:2], ends[2:])
    opset = [helper.make_opsetid("", 17)]
    made = helper.make_model(graph, opset_imports=opset, ir_version=10)
    onnx.save(made, tmp_path / "two.onnx")
    own = {"files": ["two.onnx"], "precision": "fp32", "layouts": ["NCHW", None]}
    description = {
        "runtime": "onnxruntime",
        "threads": 1,
        "default": "one",
        "models": {"one": own},
        "preprocessing": None,
        "preprocessing_by_input": {"image": {"scale": 255.0}, "meta": {"scale": 1.0}},
        "labels": [],
    }
    return ServedModel(tmp_path, description)


def test_inputs_and_outputs_are_by_name(served_two: ServedModel) -> None:
    about = protocol.metadata(served_two, "two")["parameters"]
    assert about["preprocessing_by_input"]["image"] == {"scale": 255.0}
    assert about["layouts"] == {"image": "NCHW", "meta": None}
    given = [
        {"name": "meta", "shape": [2, 3], "datatype": "FP32", "data": [1.0] * 6},
        {"name": "image", "shape": [2, 2], "datatype": "FP32", "data": [3.0] * 4},
    ]
    whole = protocol.answer(served_two, "two", json.dumps({"inputs": given}).encode())
    found = {one["name"]: one["data"] for one in whole["outputs"]}
    assert found == {"turned": [-3.0] * 4, "doubled": [2.0] * 6}
    asked = {"inputs": given, "outputs": [{"name": "doubled"}]}
    [one] = protocol.answer(served_two, "two", json.dumps(asked).encode())["outputs"]
    assert (one["name"], one["shape"]) == ("doubled", [2, 3])
    with pytest.raises(protocol.Refused, match="input 'image' is missing"):
        protocol.answer(served_two, "two", json.dumps({"inputs": given[:1]}).encode())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"text": "a" * 1025}, "a text of 1025 bytes; at most 1024"),
        ({"text": "\u00e9" * 513}, "a text of 1026 bytes"),
        ({"text": ["a"] * 65}, "65 texts are over the limit of 64"),
        ({"text": None}, "no texts"),
        ({"text": []}, "no texts"),
        ({"text": 3}, "a int where a text"),
        ({"text": {"a": 1}}, "a dict where a text"),
        ({"text": ["a", None]}, "a NoneType where a text"),
        ({"text": "a", "text_pair": "b"}, "one text a sample"),
        ({"text": "a", "outputs": [{"name": "z"}]}, "no output 'z'"),
        (b'{"text": "\\ud800"}', "Cannot read the request"),
        (tensor("bad", [1]), "needs a list of texts"),
        (tensor(["bad"], [2]), "needs a list of texts"),
        (tensor([3], [1]), "a int where a text"),
        (tensor(["bad"], [1], "other"), "'input_ids' is missing"),
    ],
)
def test_what_a_server_does_not_take(
    served_text: Served, body: Any, words: str
) -> None:
    status, reply = served_text.ask(INFER, body)
    assert status == 400 and words in reply["error"], reply


def test_a_model_of_numbers_takes_no_texts(served: Served) -> None:
    for body in ({"text": "good"}, tensor(["good"], [1])):
        assert served.ask(INFER, body) == (400, {"error": "the model takes no texts"})
    assert served.ask(INFER, request([1.0, 0.0, 0.0, 0.0]))[0] == 200
