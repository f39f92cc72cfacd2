"""Outputs of the file itself, on ONNX Runtime, in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edgekit import child, scratch
from edgekit.errors import ModelError, RuntimeMissing
from edgekit.sources.onnx.values import Known

_SCRIPT = Path(__file__).with_name("run_file.py")
_SECONDS = 300
Feeds = Mapping[str, Known]


class FileFails(ModelError):
    """ONNX Runtime does not run the file on these inputs."""


def outputs(
    model: onnx.ModelProto, runs: Sequence[Feeds], names: Sequence[str]
) -> list[list[Known]]:
    """The tensors `names` of the model for each of `runs`, those within the graph too.

    Raises `FileFails` where ONNX Runtime refuses the file or fails.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise RuntimeMissing(
            "An ONNX file is compared with ONNX Runtime when it is loaded, which is not "
            "installed. Run: pip install 'edgekit[onnxruntime]'"
        )
    with scratch.folder() as place:
        file = place / "model.onnx"
        _write(model, names, file)
        jobs = []
        for number, feeds in enumerate(runs):
            files = {name: f"feed-{number}-{n}.npy" for n, name in enumerate(feeds)}
            for name, value in feeds.items():
                np.save(place / files[name], value)
            jobs.append({"inputs": files, "outputs": list(names)})
        (place / "jobs.json").write_text(json.dumps(jobs))
        _started(file, place)
        return [
            [
                np.load(place / f"result-{number}-{n}.npy", allow_pickle=False)
                for n in range(len(names))
            ]
            for number in range(len(runs))
        ]


def _write(model: onnx.ModelProto, names: Sequence[str], file: Path) -> None:
    """The model that ends at `names`, without the operators and inputs that they do not need."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    graph = shown.graph
    needed = set(names)
    for place in reversed(range(len(graph.node))):
        if needed.isdisjoint(graph.node[place].output):
            del graph.node[place]
        else:
            needed |= set(reads(graph.node[place]))
    _keep(graph.input, needed)
    _keep(graph.output, set(names))
    have = {output.name for output in graph.output}
    for name in names:
        if name not in have:
            graph.output.append(onnx.ValueInfoProto(name=name))
    onnx.save_model(shown, str(file))


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """Names that an operator reads, those in its subgraphs too."""
    yield from node.input
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            yield from (output.name for output in inner.output)
            for each in inner.node:
                yield from reads(each)


def _keep(values: Any, names: set[str]) -> None:
    """Delete the inputs and outputs of a graph that are not in `names`."""
    for place in reversed(range(len(values))):
        if values[place].name not in names:
            del values[place]


def _started(file: Path, place: Path) -> None:
    command = child.python(str(_SCRIPT), str(file), str(place))
    try:
        done = subprocess.run(
            command,
            env=child.environment(),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FileFails(f"ONNX Runtime takes over {_SECONDS} s for the file.") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = said[-1] if said else f"its process ended with {done.returncode}"
        raise FileFails(f"ONNX Runtime does not run the file: {why[:300]}")
