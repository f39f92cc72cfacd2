"""`edgekit inspect`: what of a network can be pruned, what it carries, what stands in the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import fx

from edgekit import sources
from edgekit.config import project
from edgekit.cost.operator_shape import describe, groups_at, parameter_nodes
from edgekit.errors import UsageError
from edgekit.graph.graph import Group, WidthGraph, analyze
from edgekit.program.named_outputs import tensors
from edgekit.program.program import Program
from edgekit.report.note_words import sentence
from edgekit.types import Barrier, InputSpec, ModelSpec
from edgekit.types.notes import Note

_EXAMPLES = (
    "--input 3,224,224, without the batch dimension (token ids: --input 128:int64; "
    "several inputs: repeat --input)"
)
_DTYPES = {
    name: getattr(torch, name)
    for name in (
        *("float32", "float16", "bfloat16", "float64"),
        *("int64", "int32", "int16", "int8", "uint8", "bool"),
    )
}


@dataclass(frozen=True, kw_only=True)
class TensorFacts:
    """An input or output; `shape` is without the batch dimension."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, kw_only=True)
class GroupFacts:
    """Coupled dimensions that shrink together, and what leaves with the first unit cut.

    `exact` is false where a norm is taken over the dimension: cutting then differs from zeroing.
    """

    id: str
    kind: str
    units: int
    exact: bool
    layers: tuple[str, ...]
    parameters_per_unit: int
    macs_per_unit: int


@dataclass(frozen=True, kw_only=True)
class BlockFacts:
    """A residual branch that can be dropped whole, and what it holds alone."""

    id: str
    parameters: int
    macs: int


@dataclass(frozen=True, kw_only=True)
class BarrierFacts:
    """An operator that cannot be pruned through; `whole` are the parameters it keeps whole."""

    operator: str
    node: str
    why: str
    whole: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """Output of `edgekit inspect`. `macs` are multiply-accumulates of one inference, batch
    1."""

    source: str
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    parameters: int
    macs: int
    groups: tuple[GroupFacts, ...]
    blocks: tuple[BlockFacts, ...]
    barriers: tuple[BarrierFacts, ...]
    notes: tuple[Note, ...] = ()
    remarks: tuple[str, ...] = ()
    """Remarks of the network's loading, as `Program.remarks`."""


def inspect(
    reference: str | None = None,
    *,
    inputs: Sequence[str] = (),
    weights: Path | None = None,
    custom_objects: Path | None = None,
    folder: Path = Path(),
    allow_pickle: bool = False,
) -> Inspection:
    """Load a network and describe it.

    `reference` is as in [model] source; without one, the network of the edgekit.toml in `folder`.
    `inputs` are shapes as `parse_input` reads them; without any, the shape is edgekit.toml's.
    `weights` and `custom_objects` are files, in place of edgekit.toml's. Raises `UsageError`
    where the network or its input shape cannot be had.
    """
    model, root = _model(reference, folder, known=bool(inputs))
    if weights is not None:
        model = replace(model, weights=str(weights.absolute()))
    if custom_objects is not None:
        model = replace(model, custom_objects=str(custom_objects.absolute()))
    source = sources.recognized(model.source, root)
    if inputs and source.has_inputs and not source.has_free_sizes:
        raise UsageError(f"{model.source} has its own input shape. Leave out --input.")
    given = [parse_input(text) for text in inputs]
    specs = [
        InputSpec(name=f"input_{number}", shape=shape)
        for number, (shape, _) in enumerate(given)
    ]
    program = sources.load(
        model,
        root=root,
        allow_pickle=allow_pickle,
        inputs=specs,
        dtypes=[dtype for _, dtype in given],
    )
    found = describe_network(program, reference or model.source)
    note = sources.unweighted(model, root)
    return replace(
        found, remarks=program.remarks, notes=(note,) if note is not None else ()
    )


def parse_input(text: str) -> tuple[tuple[int, ...], torch.dtype]:
    """Shape and dtype from `3,224,224` or `128:int64`; raises `UsageError`."""
    sizes, _, dtype = text.partition(":")
    parts = [part.strip() for part in sizes.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(f"--input {text}: not a shape. Write it as {_EXAMPLES}.")
    if dtype and dtype not in _DTYPES:
        raise UsageError(f"--input {text}: no such dtype. Known: {', '.join(_DTYPES)}.")
    return tuple(map(int, parts)), _DTYPES[dtype or "float32"]


def describe_network(program: Program, name: str) -> Inspection:
    """The facts about a program, `name` being what the user calls it."""
    graph = analyze(program)
    nodes = {node.name: node for node in program.module.graph.nodes}
    macs = {
        node: operator.macs
        for node in nodes.values()
        if (operator := describe(graph, node)) and operator.macs
    }
    parameters = {n: p.numel() for n, p in program.module.named_parameters()}
    per_unit = _parameters_per_unit(graph), _macs_per_unit(graph, macs)
    return Inspection(
        source=name,
        inputs=tuple(
            TensorFacts(name=spec.name, shape=spec.shape, dtype=_named(dtype))
            for spec, dtype in zip(program.inputs, program.dtypes, strict=True)
        ),
        outputs=_outputs(program),
        parameters=sum(parameters.values()),
        macs=sum(macs.values()),
        groups=tuple(_group(group, *per_unit) for group in graph.groups),
        blocks=tuple(
            BlockFacts(
                id=block.id,
                parameters=sum(parameters.get(n, 0) for n in block.parameters),
                macs=sum(macs.get(nodes[name], 0) for name in block.nodes),
            )
            for block in graph.blocks
        ),
        barriers=tuple(map(_barrier, graph.barriers)),
    )


def _outputs(program: Program) -> tuple[TensorFacts, ...]:
    with torch.inference_mode():
        found = tensors(program.module(*program.example()))
    pairs = zip(program.output_names, found, strict=True)
    return tuple(
        TensorFacts(name=name, shape=tuple(value.shape[1:]), dtype=_named(value.dtype))
        for name, value in pairs
    )


def _named(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _model(
    reference: str | None, folder: Path, *, known: bool
) -> tuple[ModelSpec, Path]:
    """The network to load, and the folder its paths are relative to."""
    there = (folder / project.FILE).is_file()
    if reference is None:
        if not there:
            raise UsageError(
                f"No {folder / project.FILE}. Name a network: "
                "edgekit inspect model.py:build --input 3,224,224"
            )
        one = project.load(folder)
        return one.model, one.root
    own = None
    if not known and not sources.recognized(reference, Path()).has_inputs:
        if there:
            own = project.load(folder).model
        if own is None or not own.specs:
            raise UsageError(
                f"The input shape of {reference} is not known. Give it: {_EXAMPLES}."
            )
    given = ModelSpec(source=reference)
    if own is not None:
        given = replace(given, input=own.input, inputs=own.inputs)
    return given, Path()


def _group(
    group: Group, parameters: Mapping[str, int], macs: Mapping[str, int]
) -> GroupFacts:
    return GroupFacts(
        id=group.id,
        kind=group.kind,
        units=group.units,
        exact=group.exact,
        layers=_owners(slot.parameter for slot in group.slots),
        parameters_per_unit=parameters[group.id],
        macs_per_unit=macs[group.id],
    )


def _owners(parameters: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(p.rpartition(".")[0] or p for p in parameters))


def _barrier(barrier: Barrier) -> BarrierFacts:
    return BarrierFacts(
        operator=barrier.operator,
        node=barrier.node,
        why=barrier.why,
        whole=barrier.parameters,
    )


def _parameters_per_unit(graph: WidthGraph) -> dict[str, int]:
    def size(node: fx.Node, widths: Mapping[str, int]) -> int:
        return math.prod(graph.shape(node, widths))

    return _lost_per_unit(graph, parameter_nodes(graph), size)


def _macs_per_unit(graph: WidthGraph, nodes: Iterable[fx.Node]) -> dict[str, int]:
    def size(node: fx.Node, widths: Mapping[str, int]) -> int:
        operator = describe(graph, node, widths)
        return operator.macs if operator else 0

    return _lost_per_unit(graph, nodes, size)


def _lost_per_unit(
    graph: WidthGraph,
    nodes: Iterable[fx.Node],
    size: Callable[[fx.Node, Mapping[str, int]], int],
) -> dict[str, int]:
    """By group, how much smaller the sum of sizes gets with one unit less."""
    full = {group.id: group.units for group in graph.groups}
    lost = dict.fromkeys(full, 0)
    for node in nodes:
        whole = size(node, {})
        for group in groups_at(graph, node):
            lost[group] += whole - size(node, {group: full[group] - 1})
    return lost


# --- on the terminal --------------------------------------------------------------------------


def show(found: Inspection, console: Console) -> None:
    """Print tables, a line for each group, that fit the terminal from 80 columns up."""
    takes = "; ".join(_sized(one) for one in found.inputs)
    gives = "; ".join(f"{one.name} {_sized(one)}" for one in found.outputs)
    console.print(Text.assemble((found.source, "bold"), f"  takes {takes}"))
    console.print(
        f"{_short(found.parameters)} parameters, {_short(found.macs)} operations (MACs); "
        f"{_plural(len(found.groups), 'group')}, {_plural(len(found.blocks), 'block')}, "
        f"{_plural(len(found.barriers), 'barrier')}",
        highlight=False,
    )
    console.print(Text(f"Outputs: {gives}"))
    for remark in found.remarks:
        console.print(remark, highlight=False, soft_wrap=True, markup=False)
    for note in found.notes:
        text = f"Note: {sentence(note)}."
        console.print(text, highlight=False, soft_wrap=True, markup=False)
    if found.groups:
        console.print(_groups(found.groups, console.width))
    if found.blocks:
        console.print(_blocks(found.blocks, console.width))
    if found.barriers:
        console.print(_barriers(found.barriers, console.width))


def _sized(tensor: TensorFacts) -> str:
    sizes = "x".join(map(str, tensor.shape))
    return f"{sizes} {tensor.dtype}".lstrip()


def _groups(groups: Sequence[GroupFacts], width: int) -> Table:
    """Names and layers share what the other columns leave, so that no group needs two lines."""
    headings = ("Group", "Kind", "Units", "Params", "MACs", "Exact", "Layers")
    facts = [
        (
            group.kind,
            str(group.units),
            _short(group.parameters_per_unit),
            _short(group.macs_per_unit),
            "yes" if group.exact else "no",
        )
        for group in groups
    ]
    columns = zip(headings[1:-1], *facts, strict=True)
    left = width - sum(max(map(len, column)) + 2 for column in columns) - 2
    names = [_abbreviated(group.id, max(16, left - 8)) for group in groups]
    left -= max(map(len, names))
    table = _table("Groups of widths, with what one unit carries")
    for heading in headings:
        number = heading in ("Units", "Params", "MACs")
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for name, cells, group in zip(names, facts, groups, strict=True):
        layers = Text(f"{len(group.layers)}: {', '.join(group.layers)}")
        layers.truncate(max(6, left), overflow="ellipsis")
        table.add_row(Text(name), *cells, layers)
    return table


def _blocks(blocks: Sequence[BlockFacts], width: int) -> Table:
    table = _table("Residual blocks that can be dropped whole")
    table.add_column("Block", no_wrap=True)
    for heading in ("Params", "MACs"):
        table.add_column(heading, justify="right", no_wrap=True)
    for block in blocks:
        name = _abbreviated(block.id, max(16, width - 20))
        table.add_row(Text(name), _short(block.parameters), _short(block.macs))
    return table


def _barriers(barriers: Sequence[BarrierFacts], width: int) -> Table:
    """Barriers of one operator for one reason share a line."""
    table = _table("Barriers: what they touch stays whole")
    for heading in ("Operator", "At", "Why", "Stays whole"):
        table.add_column(heading, overflow="fold")
    alike: dict[tuple[str, str], list[BarrierFacts]] = {}
    for barrier in barriers:
        alike.setdefault((barrier.operator, barrier.why), []).append(barrier)
    for (operator, why), members in alike.items():
        layers = _owners(name for barrier in members for name in barrier.whole)
        nodes = tuple(barrier.node for barrier in members if barrier.node)
        whole = [_abbreviated(layer, width * 3 // 10) for layer in layers]
        table.add_row(Text(operator), _few(nodes, ", "), Text(why), _few(whole, "\n"))
    return table


def _table(title: str) -> Table:
    return Table(
        title=Text(f"\n{title}", style="bold", no_wrap=True, overflow="ignore"),
        title_justify="left",
        header_style="dim",
        box=None,
        pad_edge=False,
        padding=(0, 1),
    )


def _few(names: Sequence[str], separator: str, most: int = 3) -> Text:
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return Text(separator.join([*names[:most], *more]))


def _abbreviated(name: str, width: int) -> str:
    """A dotted name with as many leading parts as needed down to a letter: l.0.attn.query.

    Of what is longer all the same, such as the one part of a converter's name, the end.
    """
    parts = name.split(".")
    for place, part in enumerate(parts[:-1]):
        if len(".".join(parts)) > width and not part.isdecimal():
            parts[place] = part[0]
    short = ".".join(parts)
    return short if len(short) <= width else f"…{short[1 - width :]}"


def _short(number: int) -> str:
    """Three digits and a unit: 1234567 is 1.23M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return str(number)


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
