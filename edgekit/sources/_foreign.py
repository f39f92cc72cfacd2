"""Advice about a network in a form that EdgeKit does not read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from edgekit.suggestions import suggest_path

_COMPILED = "it is compiled for one device, and its network cannot be had back"
_BEFORE = "Name the network that it was made from"
_KINDS: Mapping[tuple[str, ...], tuple[str, str]] = {
    (".engine", ".plan", ".trt", ".hef", ".rknn", ".dlc", ".blob"): (
        _COMPILED,
        _BEFORE,
    ),
    (".pte", ".ort", ".nb", ".om"): ("it is made for one runtime", _BEFORE),
    (".xml", ".mlmodel", ".mlpackage", ".mnn", ".param", ".ncnn"): (
        "it is the result of a conversion",
        _BEFORE,
    ),
    (".pb", ".pbtxt"): (
        "it is a graph without signatures",
        "Name the folder of a SavedModel with the file in it, or convert it: "
        "python -m tf2onnx.convert",
    ),
    (".pdmodel", ".pdiparams"): (
        "it is of PaddlePaddle",
        "Convert it with paddle2onnx, and name the .onnx file",
    ),
    (".caffemodel", ".prototxt"): (
        "it is of Caffe",
        "Convert it to ONNX, and name the .onnx file",
    ),
    (".gguf", ".ggml"): (
        "its weights are packed for llama.cpp",
        "Name the Hugging Face folder that it was made from",
    ),
    (".ipynb",): (
        "a notebook is not imported",
        "Move the function that builds the network to a file: 'model.py:build'",
    ),
    (".bin", ".npz", ".npy", ".msgpack", ".joblib"): (
        "it holds weights and not the code of their network",
        "Name the function that builds the network, or the Hugging Face folder around the "
        "file",
    ),
    (".json", ".yaml", ".yml"): (
        "it describes a network and has no weights",
        "Name its folder, or the file with its weights",
    ),
    (".zip", ".gz", ".tgz", ".tar", ".mar"): (
        "it is an archive",
        "Unpack it, and name what is inside",
    ),
}
"""Suffixes of forms that people try, why each is none, and what to name instead."""
_HUB = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*|[a-z0-9]+(-[a-z0-9]+)+")


def advice(reference: str, root: Path) -> str:
    """The sentences for a reference that no source takes, or nothing."""
    path = root / reference
    module, _, function = reference.partition(":")
    if path.suffix == ".py" and path.is_file():
        return f" Name the function in it that builds the network: '{reference}:build'."
    if function and (root / f"{module}.py").is_file():
        return f" Did you mean '{module}.py:{function}'?"
    for suffixes, (why, fix) in _KINDS.items():
        if path.suffix.lower() in suffixes:
            return f" {path.name}: {why}. {fix}."
    if _HUB.fullmatch(reference) and "Did you" not in suggest_path(path):
        return (
            " Nothing is downloaded here: where it is on the Hugging Face hub, fetch it and "
            f"name the folder: hf download {reference} --local-dir network"
        )
    return ""
