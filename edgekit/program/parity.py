"""Check that a network that was read computes the file's function: on every load, in numbers.

The rules, for every kind of file:

* The program runs at two batch sizes, and each output is held against what the file's own runtime
  or definition gives. A difference above `TOLERANCE` of the output's range refuses the file.
* The input of a softmax, sigmoid, tanh or argmax at the end is compared too: where those are
  saturated, any two networks agree.
* A larger difference is excused where the program in double precision shows that rounding alone
  makes it, up to `_MOST_ROUNDING`; a remark reports it.
* An output that does not change with the input proves nothing. Other inputs are tried, then the
  tensors inside of the network are compared, up to `_INSIDE`; a remark reports it. Where nothing
  inside changes either, the file is refused.
* Whole numbers (places of largest values) may differ in `_TURNED` of their elements, by rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, fx

from edgekit.errors import ModelError
from edgekit.program.ends import with_ends
from edgekit.program.program import Program

TOLERANCE = 1e-4
"""Largest difference, relative to the range of an output."""
_MOST_ROUNDING = 1e-2
"""Most that rounding may excuse."""
_ROUNDING_FRACTION = 8
"""The program's own rounding explains differences up to so many times itself."""
_INSIDE = 1e-3
"""Largest difference of a tensor inside of the network, relative to its largest value."""
_TIE = 0.99
"""Outputs that differ about as much as the worst: the first is named, on every processor."""
_FLAT = 1e-6
"""A range below this, or below this part of the largest value, is rounding, and inconclusive."""
_TURNED = 0.01
_BATCHES = (1, 3)
"""In units of the batch that the file holds."""
_KINDS = 3
"""Of samples; the later ones are for networks that give nearly nothing for the first."""
_IN_PIECES = "The file holds a batch of {held}, and ran in pieces of that size."

Inputs = tuple[Tensor, ...]
Row = Sequence[np.ndarray | None]
"""Each output, then for each requested one the input of its last squashing (`None`: unknown)."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """Outputs of a file: a row for each batch. `whole` is false where the file cannot run these
    batches in one piece, and ran them in pieces of its own size."""

    rows: Sequence[Row]
    whole: bool = True


@dataclass(frozen=True, kw_only=True)
class Inner:
    """A tensor inside of the network, on both sides, and the operator that makes it."""

    name: str
    operator: str
    ours: np.ndarray
    theirs: np.ndarray

    @property
    def error(self) -> float:
        """The largest difference, relative to the largest value."""
        return _apart(self.ours, self.theirs) / max(_largest(self.theirs), _FLAT)


class Reference(Protocol):
    """The file's own results, in the program's order of inputs, outputs and dimensions."""

    @property
    def against(self) -> str:
        """Its name in errors: "LiteRT"."""

    def run(self, given: Sequence[Inputs], ends: Sequence[bool]) -> Ran:
        """The outputs of each batch, with the inputs of the last squashing of those in `ends`."""

    def inner(self, given: Inputs) -> Iterable[Inner]:
        """The real tensors of the network from the first to the last, for one batch."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """`largest` is the largest difference, relative to an output's range, at all `batches`."""

    largest: float
    outputs: int
    batches: tuple[int, ...]
    against: str
    remarks: tuple[str, ...] = ()

    def line(self) -> str:
        """The finding in a sentence, and the remarks."""
        several = (
            f"{self.outputs} outputs differ" if self.outputs > 1 else "output differs"
        )
        sizes = " and ".join(map(str, self.batches))
        found = (
            f"Checked against {self.against} at batch {sizes}: the {several} by at most "
            f"{self.largest:.1e} of their range."
        )
        return " ".join([found, *self.remarks])


def check(
    program: Program,
    reference: Reference,
    *,
    source: str,
    held: int = 1,
    limits: Sequence[int] = (),
) -> Parity:
    """Compare the program of the file `source` with `reference`, by the rules above.

    `held` is the batch that the file holds, `limits` what whole-numbered inputs lie below (2
    without). Raises `ModelError` for what the rules refuse, and for other shapes.
    """
    module, ends = with_ends(program.module)
    sizes = tuple(held * each for each in _BATCHES)
    for kind in range(_KINDS):
        given = [samples(program, n, kind=kind, limits=limits) for n in sizes]
        ran = reference.run(given, ends)
        ours = [_run(module, each) for each in given]
        _check_shapes(ours, ran.rows, len(ends), source)
        sides = _Sides.of(ours, ran.rows, ends)
        if not sides.silent or sides.error > TOLERANCE:
            break
    remarks = [] if ran.whole else [_IN_PIECES.format(held=held)]
    if sides.error > TOLERANCE:
        excuse = _rounding(module, given, sides)
        if excuse is None:
            raise ModelError(_differs(source, reference, sides, given[0]))
        remarks.append(excuse)
    if sides.silent:
        remarks.append(_inside(source, reference, given[0], sides.silent))
    return Parity(
        largest=sides.error,
        outputs=len(ends),
        batches=sizes,
        against=reference.against,
        remarks=tuple(remarks),
    )


def samples(
    program: Program, batch: int, *, kind: int = 0, limits: Sequence[int] = ()
) -> Inputs:
    """Seeded inputs, each (batch, *shape): real numbers of a kind, whole ones below `limits`."""
    chance = np.random.default_rng((batch, kind))
    tops = limits or (2,) * len(program.inputs)
    return tuple(
        _drawn(chance, (batch, *spec.shape), dtype, top, kind)
        for spec, dtype, top in zip(program.inputs, program.dtypes, tops, strict=True)
    )


def _drawn(
    chance: np.random.Generator,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    top: int,
    kind: int,
) -> Tensor:
    if not dtype.is_floating_point:
        top = {torch.bool: 2, torch.uint8: 256}.get(dtype, top)
        return torch.from_numpy(chance.integers(0, top, shape)).to(dtype)
    normal = chance.standard_normal(shape)
    drawn = (normal, chance.uniform(0, 255, shape), 5 * normal)[kind]
    return torch.from_numpy(drawn).to(dtype)


def noise(theirs: np.ndarray, ours: np.ndarray) -> float:
    """The usual distance, as a fraction of how far `ours` spread; infinite without a number.

    It is the distance of a file that computes in few bits from the numbers behind it.
    """
    exact = np.asarray(ours, np.float64)
    spread = float(np.std(exact)) or 1.0
    apart = np.asarray(theirs, np.float64) - exact
    found = float(np.sqrt(np.mean(apart**2))) / spread
    return found if np.isfinite(found) else float("inf")


def noise_line(was: str, how: str, apart: float) -> str:
    """The remark on a file that computes in `was` and comes in as `how`, by its `noise`."""
    return (
        f"The file computes in {was} and comes in {how}: its own outputs are {apart:.1%} of "
        "their spread away, on random inputs."
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Column:
    """One output, or the input of its last squashing, on both sides at every batch size."""

    place: int
    """In a row."""
    output: int
    ours: Sequence[np.ndarray]
    theirs: Sequence[np.ndarray]

    @cached_property
    def range(self) -> float:
        """Of the file's numbers over all samples; 0 where it is rounding."""
        numbers = np.concatenate([_finite(each) for each in self.theirs])
        if not numbers.size:
            return 0.0
        found = float(np.ptp(numbers))
        return found if found > _FLAT * max(1.0, float(np.abs(numbers).max())) else 0.0

    @cached_property
    def error(self) -> float:
        """The difference relative to the range.

        What does not change is only to stay what it is: 0 where it does, else infinite.
        """
        apart = self.apart(self.ours, self.theirs)
        if self.range:
            return apart
        most = max(map(_largest, self.theirs))
        return 0.0 if apart <= max(TOLERANCE * most, _FLAT) else float("inf")

    def apart(self, one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> float:
        """The largest difference, relative to the range where there is one."""
        return max(map(_apart, one, other)) / (self.range or 1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sides:
    """Outputs of the program and of the file."""

    columns: Sequence[_Column]

    @staticmethod
    def of(ours: Sequence[Row], theirs: Sequence[Row], ends: Sequence[bool]) -> _Sides:
        """`ours` and `theirs` are rows of one length, the outputs in front."""
        outputs = [*range(len(ends)), *(n for n, flag in enumerate(ends) if flag)]
        columns = [
            _Column(place=place, output=n, ours=list(a), theirs=list(b))
            for place, (n, a, b) in enumerate(
                zip(
                    outputs,
                    zip(*ours, strict=True),
                    zip(*theirs, strict=True),
                    strict=True,
                )
            )
            if all(each is not None for each in b)
        ]
        return _Sides(columns=columns)

    @cached_property
    def error(self) -> float:
        return max(each.error for each in self.columns)

    @property
    def silent(self) -> list[int]:
        """Outputs that do not change, and neither does what their end takes."""
        changing = {each.output for each in self.columns if each.range}
        return sorted({each.output for each in self.columns} - changing)


def _check_shapes(
    ours: Sequence[Row], theirs: Sequence[Row], count: int, source: str
) -> None:
    """Raise `ModelError` where outputs have other shapes than the file's, or another number."""
    given, expected = (
        [[np.shape(each) for each in row[:count]] for row in rows]  # type: ignore[arg-type]
        for rows in (ours, theirs)
    )
    if given != expected or len(ours[0]) != len(theirs[0]):
        raise ModelError(
            f"{source}: the network gives outputs of shapes {given[-1]}, its file {expected[-1]}. "
            "It was not read rightly, and is refused."
        )


def _run(module: fx.GraphModule, given: Inputs) -> list[np.ndarray]:
    with torch.no_grad():
        found = torch.utils._pytree.tree_leaves(module(*given))
    return [each.detach().numpy() for each in found if isinstance(each, Tensor)]


def _rounding(
    module: fx.GraphModule, given: Sequence[Inputs], sides: _Sides
) -> str | None:
    """The remark where single precision alone moves the outputs as far; else `None`."""
    double = module.double()
    try:
        rows = [
            _run(
                double, tuple(v.double() if v.is_floating_point() else v for v in each)
            )
            for each in given
        ]
    except RuntimeError:  # its graph has single precision written into it
        return None
    exact = {each.place: [row[each.place] for row in rows] for each in sides.columns}
    ours = max(each.apart(each.ours, exact[each.place]) for each in sides.columns)
    theirs = max(each.apart(each.theirs, exact[each.place]) for each in sides.columns)
    if ours * _ROUNDING_FRACTION < sides.error:
        return None
    if max(ours, theirs, sides.error) > _MOST_ROUNDING:
        return None
    return (
        f"Rounding alone moves them by {ours:.1e} (against double precision), and the file's "
        f"own by {theirs:.1e}."
    )


def _differs(source: str, reference: Reference, sides: _Sides, given: Inputs) -> str:
    worst = next(c for c in sides.columns if c.error >= _TIE * sides.error)
    inner = list(reference.inner(given))
    first = next((each for each in inner if each.error > TOLERANCE), None)
    if first is not None:
        where = f" The first tensor that differs is '{first.name}' of {first.operator}."
    elif inner:
        where = f" Every tensor inside agrees at batch {len(given[0])}."
    else:
        where = ""
    return (
        f"{source}: output {worst.output + 1} differs from {reference.against} by "
        f"{worst.error:.1e} of its range; at most {TOLERANCE:g} is allowed.{where} The network "
        "was not read rightly, and is refused."
    )


def _inside(
    source: str, reference: Reference, given: Inputs, silent: Sequence[int]
) -> str:
    """The remark on outputs that prove nothing; `ModelError` where nothing inside does."""
    inner = list(reference.inner(given))
    changing = [each for each in inner if np.ptp(_finite(each.theirs)) > _FLAT]
    if not changing:
        raise ModelError(
            f"{source}: no output changes with the input, so that nothing can be proved. "
            "Check that the file holds trained weights."
        )
    worst = max(inner, key=lambda each: each.error)
    if worst.error > _INSIDE:
        raise ModelError(
            f"{source}: the tensor '{worst.name}' of {worst.operator} differs from "
            f"{reference.against} by {worst.error:.1e} of its largest value. The network was not "
            "read rightly, and is refused."
        )
    names = " and ".join(str(number + 1) for number in silent)
    return (
        f"Output {names} hardly changes with the input: the tensors before it were compared, and "
        f"differ by at most {worst.error:.1e}."
    )


def _finite(values: np.ndarray) -> np.ndarray:
    """The finite numbers, flat and in double precision; at least one."""
    numbers = np.asarray(values, np.float64).reshape(-1)
    found = numbers[np.isfinite(numbers)]
    return found if found.size else np.zeros(1)


def _largest(values: np.ndarray) -> float:
    return float(np.abs(_finite(values)).max())


def _apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference; infinite for other shapes, and for other places without a number."""
    if ours.shape != theirs.shape:
        return float("inf")
    if theirs.dtype.kind != "f":
        turned = float(np.mean(ours != theirs)) if theirs.size else 0.0
        return 0.0 if turned <= _TURNED else float("inf")
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    odd = ~np.isfinite(theirs)
    same = np.array_equal(ours[odd], theirs[odd], equal_nan=True)
    if not same or not np.isfinite(ours[~odd]).all():
        return float("inf")
    return float(np.abs(ours[~odd] - theirs[~odd]).max(initial=0.0))
