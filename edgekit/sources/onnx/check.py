"""A program held against the file that it was read from, on ONNX Runtime, at two batch sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper
from torch import Tensor, fx

from edgekit.errors import ModelError
from edgekit.program.program import Program
from edgekit.sources.onnx import inputs as samples
from edgekit.sources.onnx.borders import Borders
from edgekit.sources.onnx.file_outputs import Feeds, FileFails, outputs
from edgekit.sources.onnx.graph import Graph
from edgekit.sources.onnx.module import OnnxModule
from edgekit.sources.onnx.values import Known, Value

LIMIT = 1e-4
"""Largest difference, as a share of the range of the file's outputs."""
_FLOOR = 1e-2
"""Most that rounding may excuse."""
_NOTHING = 1e-6
"""Outputs whose range is below it are inconclusive."""
_TURNED = 0.01
"""Share of whole-numbered outputs (the place of a largest value) that rounding may turn over."""
_TIMES = 3
_ENDS = ("Softmax", "Sigmoid", "LogSoftmax", "Tanh", "HardSigmoid")
_VIEWS = frozenset(
    ("Identity", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Cast")
)


@dataclass(frozen=True, kw_only=True)
class Parity:
    """Distance of a program's outputs from the file's, as a fraction of their range."""

    error: float
    sizes: tuple[int, int]
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        one, other = self.sizes
        more = "".join(f" {remark}" for remark in self.remarks)
        return (
            f"Outputs agree with the file on ONNX Runtime at batch sizes {one} and {other}: "
            f"largest difference {self.error:.1e} of their range.{more}"
        )


@dataclass(kw_only=True, eq=False)
class Subject:
    """A program and the file that it comes from."""

    program: Program
    module: OnnxModule
    model: onnx.ModelProto

    @property
    def graph(self) -> Graph:
        """The graph of the file."""
        return self.module.graph

    @property
    def borders(self) -> Borders:
        """The inputs of the file."""
        return self.module.borders


def check(subject: Subject) -> Parity:
    """Raise `ModelError` where the program's outputs are not the file's, by tensor and operator."""
    held = subject.borders.held
    sizes = (held, _TIMES * held)
    for kind in range(len(samples.REAL)):
        sides = _Sides.of(subject, sizes, kind)
        if sides.tell:
            break
    else:
        nothing = "Outputs are nearly zero: the tensors before them were compared."
        return Parity(error=_inside(subject), sizes=sizes, remarks=(nothing,))
    remarks = list(sides.remarks)
    if sides.error > LIMIT:
        excuse = _rounding(subject, sides)
        if excuse is None:
            raise ModelError(_differs(subject, sides.error))
        remarks.append(excuse)
    return Parity(error=sides.error, sizes=sizes, remarks=tuple(remarks))


def _differs(subject: Subject, error: float) -> str:
    first = next(
        (f" The first tensor that differs is '{n}' of {k}." for n, k, e in
         _tensors(subject) if e > LIMIT),
        " Every tensor agrees at the file's own batch size: the graph mixes samples.",
    )  # fmt: skip
    return (
        f"The network read from the file differs from it on ONNX Runtime by {error:.1e} of the "
        f"outputs' range (at most {LIMIT:g}).{first}"
    )


@dataclass(kw_only=True, eq=False)
class _Sides:
    """Outputs of the file and the program: by batch size, each output and each end's input."""

    inputs: Sequence[tuple[Tensor, ...]]
    requested: Sequence[Sequence[Known]]
    found: Sequence[Sequence[Known]]
    remarks: Sequence[str]

    @staticmethod
    def of(subject: Subject, sizes: Sequence[int], kind: int) -> _Sides:
        given = [
            samples.drawn(subject.borders, subject.graph, size, kind=kind)
            for size in sizes
        ]
        names = [border.name for border in subject.graph.outputs]
        ends = _ends(subject, names)
        found = [
            [
                *_program_outputs(subject.program, each),
                *_kept(subject.program, each, ends),
            ]
            for each in given
        ]
        places = subject.module.notes.places
        requested, remark = _file_outputs(
            subject,
            given,
            [*names, *(name for name, _, _ in ends)],
            [*places, *(places[n] for _, _, n in ends)],
        )
        remarks = [remark] if remark else []
        return _Sides(inputs=given, requested=requested, found=found, remarks=remarks)

    @property
    def tell(self) -> bool:
        return all(each > _NOTHING for each in self.ranges)

    @property
    def ranges(self) -> list[float]:
        """Of each output, over all samples."""
        return [
            _range(np.concatenate([part.reshape(-1) for part in column]))
            for column in zip(*self.requested, strict=True)
        ]

    @property
    def error(self) -> float:
        return self.apart(self.requested, self.found)

    def apart(
        self, one: Sequence[Sequence[Known]], other: Sequence[Sequence[Known]]
    ) -> float:
        """The largest difference, as a share of each output's range."""
        return max(
            _apart(a, b) / max(range_, _NOTHING)
            for row, column in zip(one, other, strict=True)
            for a, b, range_ in zip(row, column, self.ranges, strict=False)
        )


def _range(values: Known) -> float:
    finite = values[np.isfinite(values)].astype(np.float64)
    if values.dtype.kind not in "f" or not values.size:
        return 1.0
    return float(np.ptp(finite)) if finite.size else 0.0


def _apart(requested: Known, found: Known) -> float:
    """The largest difference; infinite for another shape."""
    if requested.shape != found.shape:
        return float("inf")
    if requested.dtype.kind != "f":
        turned = float(np.mean(requested != found)) if requested.size else 0.0
        return 0.0 if turned <= _TURNED else float("inf")
    odd = ~np.isfinite(requested)
    if not np.array_equal(
        requested[odd], found[odd].astype(requested.dtype), equal_nan=True
    ):
        return float("inf")
    apart = np.abs(requested[~odd].astype(np.float64) - found[~odd].astype(np.float64))
    return float(apart.max(initial=0.0))


def _program_outputs(program: Program, given: tuple[Tensor, ...]) -> list[Known]:
    with torch.no_grad():
        result = program.module(*given)
    results = [result] if isinstance(result, Tensor) else list(result)
    return [each.detach().numpy() for each in results]


def _file_outputs(
    subject: Subject,
    given: Sequence[tuple[Tensor, ...]],
    names: Sequence[str],
    places: Sequence[int],
) -> tuple[list[list[Known]], str]:
    """The file's own outputs, batch first, and how they were had where not at once."""
    borders = subject.borders
    if borders.free:
        try:
            return _run_file(subject, given, names, places, whole=True), ""
        except FileFails:
            pass  # its batch is marked free, and it may hold one all the same
    found = _run_file(subject, given, names, places, whole=False)
    return found, f"The file itself runs with a batch of {borders.held} alone."


def _run_file(
    subject: Subject,
    given: Sequence[tuple[Tensor, ...]],
    names: Sequence[str],
    places: Sequence[int],
    *,
    whole: bool,
) -> list[list[Known]]:
    """One row for each batch, which runs in a piece or in pieces of the file's own size."""
    pieces = [
        _feeds(subject, each, len(each[0]) if whole else subject.borders.held)
        for each in given
    ]
    rows = iter(outputs(subject.model, [f for each in pieces for f in each], names))
    found = []
    for each in pieces:
        columns = zip(*(next(rows) for _ in each), strict=True)
        found.append(
            [
                np.concatenate([_batch_first(part, place) for part in column])
                for column, place in zip(columns, places, strict=True)
            ]
        )
    return found


def _batch_first(part: Known, place: int) -> Known:
    return np.moveaxis(part, place, 0) if place < part.ndim else part.reshape(1, -1)


def _feeds(subject: Subject, given: tuple[Tensor, ...], step: int) -> list[Feeds]:
    runs: list[Feeds] = []
    for start in range(0, given[0].shape[0], step):
        feeds = {
            each.name: each.moved(value[start : start + step])
            .contiguous()
            .numpy()
            .astype(each.file_dtype)
            for each, value in zip(subject.borders.inputs, given, strict=True)
        }
        runs.append({**feeds, **subject.borders.fixed})
    return runs


_End = tuple[str, fx.Node, int]
"""Name of a tensor in the file, its node in the program, and the output that it leads to."""


def _ends(subject: Subject, names: Sequence[str]) -> list[_End]:
    """Input of a softmax or sigmoid at the end: saturated outputs agree with anything."""
    (end,) = subject.program.module.graph.find_nodes(op="output")
    results = end.args[0]
    results = [results] if isinstance(results, fx.Node) else list(results)
    pairs = [
        (_before_end(subject.graph, name), _fx_before(node), number)
        for number, (name, node) in enumerate(zip(names, results, strict=True))
    ]
    return [(name, node, n) for name, node, n in pairs if name and node is not None]


def _before_end(graph: Graph, name: str) -> str:
    """The input of a softmax or sigmoid at the end; empty where none is there."""
    makers = {output: node for node in graph.nodes for output in node.outputs}
    while name in makers:
        node = makers[name]
        if node.kind in _ENDS:
            return node.inputs[0]
        if node.kind not in _VIEWS:
            return ""
        name = node.inputs[0]
    return ""


_FX_ENDS = ("softmax", "sigmoid", "log_softmax", "tanh", "hardsigmoid")
_FX_VIEWS = ("view", "reshape", "permute", "transpose", "flatten", "squeeze", "unsqueeze",
             "movedim", "to", "_to_copy", "clone", "contiguous", "alias")  # fmt: skip


def _kept(
    program: Program, given: tuple[Tensor, ...], ends: Sequence[_End]
) -> list[Known]:
    """The values of nodes of the program."""
    if not ends:
        return []
    requested = [node for _, node, _ in ends]
    kept: dict[fx.Node, Known] = {}

    class Keeping(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            value = super().run_node(n)
            if n in requested:
                kept[n] = value.detach().float().numpy()
            return value

    with torch.no_grad():
        Keeping(program.module).run(*given)
    return [kept[node] for node in requested]


def _fx_before(node: Any) -> fx.Node | None:
    while isinstance(node, fx.Node) and node.op == "call_function":
        schema = getattr(node.target, "_schema", None)
        name = schema.name.rpartition("::")[2] if schema is not None else ""
        source = node.args[0] if node.args else None
        if name in _FX_ENDS:
            return source if isinstance(source, fx.Node) else None
        if name not in _FX_VIEWS:
            return None
        node = source
    return None


def _tensors(subject: Subject) -> list[tuple[str, str, float]]:
    """Every tensor of the graph that both sides compute: its name, operator and difference."""
    given = samples.drawn(subject.borders, subject.graph, subject.borders.held)
    seen: dict[str, Known] = {}

    def watch(name: str, value: Value) -> None:
        if isinstance(value, Tensor) and value.is_floating_point():
            seen[name] = value.detach().numpy()

    with torch.no_grad():
        subject.module.values(given, watch)
    makers = {o: node.kind for node in subject.graph.nodes for o in node.outputs}
    names = [name for name in seen if name in makers]
    (row,) = outputs(subject.model, _feeds(subject, given, len(given[0])), names)
    return [
        (name, makers[name], _apart(requested, seen[name]) / _largest(requested))
        for name, requested in zip(names, row, strict=True)
    ]


def _largest(values: Known) -> float:
    finite = np.abs(values[np.isfinite(values)])
    return max(float(finite.max(initial=0.0)), _NOTHING)


def _inside(subject: Subject) -> float:
    """The largest difference of the tensors before outputs that are nearly zero."""
    shown = _tensors(subject)
    worst = max(shown, key=lambda each: each[2], default=("", "", 0.0))
    if worst[2] > LIMIT * 10:
        raise ModelError(
            f"The network read from the file differs from it on ONNX Runtime: tensor "
            f"'{worst[0]}' of {worst[1]} by {worst[2]:.1e} of its range."
        )
    return worst[2]


def _rounding(subject: Subject, sides: _Sides) -> str | None:
    """The remark where single precision alone moves the outputs as far; else `None`."""
    double = subject.program.copy()
    double.module.double()
    exact = []
    for given in sides.inputs:
        wide = tuple(v.double() if v.is_floating_point() else v for v in given)
        exact.append(_program_outputs(double, wide))
    count = len(exact[0])
    ours, theirs = (
        sides.apart(exact, [row[:count] for row in side])
        for side in (sides.found, sides.requested)
    )
    if ours * 8 < sides.error or max(ours, theirs, sides.error) > _FLOOR:
        return None
    return (
        f"Rounding alone moves them by {ours:.1e} (against double precision), and the file's "
        f"own by {theirs:.1e}."
    )


_APART = {"int8": 0.5, "fp16": 0.05}
"""Most that a file in less than single precision may be away from what it stands for."""


def distance(subject: Subject, original: onnx.ModelProto, was: str) -> str:
    """The remark on a file that computes in `int8` or `fp16`, and comes in in single precision.

    Raises `ModelError` where the file gives something else altogether.
    """
    given = samples.drawn(subject.borders, subject.graph, 4 * subject.borders.held)
    kinds = {i.name: i.type.tensor_type.elem_type for i in original.graph.input}
    names = [border.name for border in subject.graph.outputs]
    feeds = _feeds(subject, given, subject.borders.held)
    typed = [
        {n: v.astype(helper.tensor_dtype_to_np_dtype(kinds[n])) for n, v in one.items()}
        for one in feeds
    ]
    theirs = outputs(original, typed, names)
    ours = outputs(subject.model, feeds, names)
    apart = max(
        _noise(np.stack(a), np.stack(b))
        for a, b in zip(zip(*theirs, strict=True), zip(*ours, strict=True), strict=True)
    )
    if apart > _APART[was]:
        raise ModelError(
            f"The {was} file differs from the same network in single precision by {apart:.0%} "
            "of its outputs' spread. Convert the float file instead."
        )
    how = "dequantized" if was == "int8" else "in single precision"
    return (
        f"The file computes in {was} and comes in {how}: its own outputs are {apart:.1%} of "
        "their spread away."
    )


def _noise(theirs: Known, ours: Known) -> float:
    """The usual distance, as a share of how far the outputs spread."""
    difference = np.asarray(theirs, np.float64) - np.asarray(ours, np.float64)
    spread = float(np.std(ours)) or 1.0
    return float(np.sqrt(np.mean(difference**2))) / spread
