"""`infer`, `bench` and `info` of an image."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from tests import texts
from tests.runtime.agent.serving.test_main import npy, run
from tests.runtime.agent.serving.text_model import write_text_model


def test_infer_reads_stdin_and_prints_label_and_scores(
    tmp_path: Path, requantizing_model: Any
) -> None:
    done = run(tmp_path, requantizing_model, "infer", stdin=npy([0.0, 0.5, 2.0, -1.0]))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["label"] == "c" and list(answer["scores"]) == list("abcd")
    assert answer["outputs"] == [[0.0, 0.5, 2.0, -1.0]], "quantized in and out"
    assert sum(answer["scores"].values()) == pytest.approx(1.0)


def test_infer_reads_files_and_folders_a_line_each(
    tmp_path: Path, requantizing_model: Any
) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    for number in range(3):
        (inside / f"{number}.npy").write_bytes(npy(np.eye(4)[number]))
    (inside / "notes.txt").write_text("not read")
    done = run(tmp_path, requantizing_model, "infer", str(inside))
    assert [json.loads(line)["label"] for line in done.stdout.splitlines()] == list(
        "abc"
    )


def test_bench_and_info_are_json(tmp_path: Path, model: Any) -> None:
    done = run(tmp_path, model, "bench", "--seconds", "0.2")
    figures = json.loads(done.stdout)
    assert done.returncode == 0 and figures["samples"] >= 100
    assert 0 < figures["latency_ms"]["p50"] <= figures["latency_ms"]["p90"]
    about = json.loads(run(tmp_path, model, "info").stdout)
    assert about["runtime"] == model.runtime and about["machine"]["cores"] >= 1


# --- boxes ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Detector:
    """Two boxes in 8 x 4 pixels, whatever the image; the second has a score below the least."""

    path: Path
    runtime: str = "onnxruntime"
    reads: tuple[str, ...] = ("boxes", "scores")
    fit: str = "letterbox"
    decoder: Any = None


def write_detector(folder: Path) -> Detector:
    fixed = {"corners": [[2, 0, 6, 4], [2, 1, 4, 2]], "sure": [[0.1, 0.9], [0.2, 0.1]]}
    parts = [
        helper.make_tensor(
            name, TensorProto.FLOAT, [1, *np.shape(values)], np.ravel(values).tolist()
        )
        for name, values in fixed.items()
    ]
    zero = helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0])
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["corners", "nothing"], ["boxes"]),
        helper.make_node("Add", ["sure", "nothing"], ["scores"]),
    ]
    given, *found = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (
            ("x", [1, 3, 4, 8]),
            ("boxes", [1, 2, 4]),
            ("scores", [1, 2, 2]),
        )
    )
    graph = helper.make_graph(nodes, "detector", [given], found, [*parts, zero])
    opset = [helper.make_opsetid("", 18)]
    path = folder / "detector.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    how = {"head": "boxes", "confidence": 0.5, "overlap": 0.5, "most": 9, "bins": 16}
    return Detector(path=path, decoder=how)


def test_infer_answers_with_boxes_in_pixels_of_the_image(tmp_path: Path) -> None:
    """An image of 16 x 16 pixels lies in the middle, a quarter as large."""
    image = io.BytesIO()
    Image.new("RGB", (16, 16)).save(image, "PNG")
    model = write_detector(tmp_path)
    done = run(tmp_path, model, "infer", stdin=image.getvalue())
    assert done.returncode == 0, done.stderr
    (box,) = json.loads(done.stdout)["boxes"]
    assert box == {"label": "b", "score": pytest.approx(0.9), "box": [0, 0, 16, 16]}
    plain = io.BytesIO()
    np.save(plain, np.zeros((3, 4, 8), np.float32))
    done = run(tmp_path, model, "infer", stdin=plain.getvalue())
    assert json.loads(done.stdout)["boxes"][0]["box"] == [2, 0, 6, 4]


# --- texts ------------------------------------------------------------------------------------


def outputs(folder: Path, model: Any, *command: str, stdin: bytes = b"") -> list[Any]:
    done = run(folder, model, "infer", *command, stdin=stdin)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [line["outputs"][0] for line in lines]


def test_infer_takes_texts_in_every_form(tmp_path: Path) -> None:
    model = write_text_model(tmp_path)
    good, bad = [0, 2, 0, 4], [1, 0, 0, 3]
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "a.txt").write_text("good good\n")
    (inside / "b.json").write_text('{"text": ["bad", "good good"]}')
    (inside / "c.jsonl").write_text('{"text": "bad"}\n{"text": "good good"}\n')
    (inside / "d.png").write_text("not read")
    found = outputs(tmp_path, model, str(inside))
    assert found == [good, bad, good, bad, good]
    assert outputs(tmp_path, model, "--text", "good good", "--text", "bad") == [
        good,
        bad,
    ]
    for stdin in (b"bad", b'{"text": "bad"}', b'["bad"]', b'[{"text": ["bad"]}]'):
        assert outputs(tmp_path, model, stdin=stdin) == [bad], stdin


def test_infer_takes_tokens_of_a_text_model_as_an_npz(tmp_path: Path) -> None:
    model = write_text_model(tmp_path)
    ids = np.array([texts.numbers("good", "good")])
    file = tmp_path / "s.npz"
    np.savez(file, input_ids=ids, attention_mask=ids != 0, token_type_ids=ids * 0)
    assert outputs(tmp_path, model, str(file)) == [[0, 2, 0, 4]]


def test_infer_takes_numbers_beside_a_text_by_name(tmp_path: Path) -> None:
    model = write_text_model(tmp_path, beside=True)
    good, bad = [0, 2, 2, 4], [1, 0, 6, 8]
    both = {"text": ["good good", "bad"], "meta": [[1, 2], [3, 4]]}
    file = tmp_path / "s.npz"
    np.savez(file, **{name: np.array(given) for name, given in both.items()})
    assert outputs(tmp_path, model, str(file)) == [good, bad]
    one, other = (
        {"text": text, "meta": meta} for text, meta in zip(*both.values(), strict=True)
    )
    for stdin in (both, [one, other]):
        found = outputs(tmp_path, model, stdin=json.dumps(stdin).encode())
        assert found == [good, bad], stdin
    for wrong, words in (
        ({"text": "good"}, b"takes 'meta' beside each text"),
        ({"text": ["good", "bad"], "meta": [[1, 2]]}, b"takes 'meta' beside each text"),
        ({"text": "good", "meta": [1]}, b"meta has shape [1]; the model takes [2]"),
        ({"text": "good", "meta": [[1], [1, 2]]}, b"meta holds object, not numbers"),
    ):
        done = run(tmp_path, model, "infer", stdin=json.dumps(wrong).encode())
        assert done.returncode == 2 and words in done.stderr, done.stderr
    done = run(tmp_path, model, "infer", "--text", "good")
    assert done.returncode == 2 and b"takes 'meta' beside each text" in done.stderr


def test_infer_takes_pairs_where_the_model_does(tmp_path: Path) -> None:
    model = write_text_model(tmp_path, pair=True)
    pair = b'{"text": "good", "text_pair": "bad film"}'
    assert outputs(tmp_path, model, stdin=pair) == [[1, 1, 3, 6]]
    done = run(tmp_path, model, "infer", stdin=b"good")
    assert done.returncode == 2 and b"takes pairs of texts" in done.stderr


@pytest.mark.parametrize(
    ("stdin", "words"),
    [
        (b'{"text": 3}', "holds a int where a text should be"),
        (b'{"sample": "good"}', "holds a dict where a text should be"),
        (b"[]", "holds no texts"),
        (b'{"text": []}', "holds no texts"),
        (b'{"text": ["a"], "text_pair": []}', "has 1 and 0 texts"),
        (b'{"text": "a", "text_pair": "b"}', "takes one text a sample"),
        (b'{"text": "a"', "as JSON"),
        (b"[" * 100000, "as JSON"),
        (b"\xff\xfe", "is not UTF-8"),
        (b'{"text": "\\ud800"}', "Cannot read -"),
        (b"a" * (64 * 1024 + 1), "a text of 65537 bytes; at most 65536"),
        (b"\x93NUMPY", "takes 3 inputs"),
    ],
)
def test_texts_that_cannot_be_used_are_one_line_and_2(
    tmp_path: Path, stdin: bytes, words: str
) -> None:
    done = run(tmp_path, write_text_model(tmp_path), "infer", stdin=stdin)
    assert (done.returncode, done.stdout) == (2, b"")
    said = [x for x in done.stderr.decode().splitlines() if x.startswith("edgekit:")]
    assert len(said) == 1 and words in said[0]


def test_a_model_of_other_samples_takes_no_texts(tmp_path: Path, model: Any) -> None:
    done = run(tmp_path, model, "infer", "--text", "good")
    assert done.returncode == 2 and b"one takes no texts" in done.stderr


def test_a_device_without_tokenizers_says_so(tmp_path: Path) -> None:
    model = write_text_model(tmp_path)
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules['tokenizers'] = None\n"
    )
    done = run(tmp_path, model, "infer", "--text", "good", search=tmp_path)
    assert done.returncode == 3
    assert b"Reading text needs the package tokenizers" in done.stderr


def test_a_tokenizer_that_is_not_there_is_named(tmp_path: Path) -> None:
    model = write_text_model(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    done = run(tmp_path, model, "infer", "--text", "good")
    assert done.returncode == 2 and b"tokenizer.json" in done.stderr
    (tmp_path / "tokenizer.json").write_text("{}")
    done = run(tmp_path, model, "infer", "--text", "good")
    assert done.returncode == 2 and b"Cannot read the tokenizer" in done.stderr


@dataclass(frozen=True, kw_only=True)
class TwoOutputs:
    """A file of two outputs, and those that the task reads."""

    path: Path
    reads: list[str]
    runtime: str = "onnxruntime"


@pytest.mark.parametrize(
    ("reads", "label"), [(["scores"], "d"), (["aux"], "a"), ([], None)]
)
def test_labels_are_of_the_output_that_the_task_reads(
    tmp_path: Path, reads: list[str], label: str | None
) -> None:
    path = tmp_path / "two.onnx"
    x, aux, scores = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4])
        for name in ("x", "aux", "scores")
    )
    nodes = [
        helper.make_node("Neg", ["x"], ["aux"]),
        helper.make_node("Relu", ["x"], ["scores"]),
    ]
    graph = helper.make_graph(nodes, "two", [x], [aux, scores])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    model = TwoOutputs(path=path, reads=reads)
    done = run(tmp_path, model, "infer", stdin=npy([0.0, 1.0, 2.0, 3.0]))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer.get("label") == label
    assert answer["names"] == ["aux", "scores"]
    assert answer["outputs"] == [[0.0, -1.0, -2.0, -3.0], [0.0, 1.0, 2.0, 3.0]]
