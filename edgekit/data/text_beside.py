"""Texts beside other inputs, in what someone holds: mappings of both by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.data import memory
from edgekit.data.dataset import Dataset
from edgekit.data.preprocess import Array
from edgekit.data.request import Request, RequestedInput
from edgekit.data.samples import InMemory, as_numpy
from edgekit.data.text_rows import (
    Beside,
    TextRows,
    each_row,
    from_texts,
    held_texts,
    joined,
    listed,
    reads_texts,
    text_keys,
    texts_of,
)
from edgekit.errors import DataError


def held_rows(held: Any, request: Request, origin: str) -> tuple[Dataset | None, Any]:
    """As `held_texts`, for networks that take other inputs beside a text, too.

    Everything at once as a mapping of texts, arrays and targets, or (mapping, targets). Else such
    samples, or batches of them, one after another.
    """
    if not request.beside_text:
        return held_texts(held, request, origin)
    if isinstance(held, str | bytes | Dataset):
        return None, held
    rows = _Rows(request=request, texts=TextRows(origin=origin))
    if isinstance(held, Mapping | tuple) and _mapping(held, request) is not None:
        return (rows.dataset() if rows.add(held) else None), held
    each, held = each_row(held)
    for number, row in enumerate(each):
        if not rows.add(row) and number:
            raise DataError(
                f"{origin}: sample {number} has no text by name. Give dictionaries alone."
            )
        if not rows.texts.texts:
            return None, held
    return (rows.dataset() if rows.texts.texts else None), held


def _mapping(row: Any, request: Request) -> tuple[Mapping[str, Any], Any] | None:
    """The mapping and the targets of a sample, of a batch or of everything."""
    if isinstance(row, tuple | list) and row and isinstance(row[0], Mapping):
        if len(row) == 2 and not isinstance(row[1], Mapping):
            return row[0], row[1]
        return (row[0], None) if len(row) == 1 else None
    if not isinstance(row, Mapping):
        return None
    key = request.targets_in(row)
    return row, None if key is None else row[key]


@dataclass(kw_only=True)
class _Rows:
    """Texts, and the values of other inputs by name, as they are read."""

    request: Request
    texts: TextRows
    parts: dict[str, list[Array]] = field(default_factory=dict)
    size: int = 0

    def add(self, row: Any) -> bool:
        """Add a sample or a batch; return whether it has texts by name."""
        request, origin = self.request, self.texts.origin
        found = _mapping(row, request)
        if found is None or not reads_texts(found[0], request):
            return False
        given, y = found
        names = [name for name in given if texts_of(given[name])]
        keys = text_keys(names, request, origin)
        if keys is None:
            return False
        texts = [given[key] for key in keys]
        alone = isinstance(texts[0], str)
        columns = [[text] if alone else list(text) for text in texts]
        targets = ([y] if y is not None else None) if alone else listed(y)
        self.texts.add(joined(columns), targets)
        for each in request.beside_text:
            if each.spec.name in given:
                value = given[each.spec.name]
                values = each.value(value)[None] if alone else as_numpy(value)
                self._keep(each.spec.name, values, len(columns[0]))
        return True

    def _keep(self, name: str, values: Array, count: int) -> None:
        if not values.ndim or len(values) != count:
            raise DataError(
                f"{self.texts.origin} has {count} texts beside '{name}' of shape "
                f"{list(values.shape)}. Give as many of each."
            )
        self.parts.setdefault(name, []).append(values)
        self.size += values.nbytes
        if self.size > memory.MEMORY:
            raise DataError(
                f"{self.texts.origin} has more than {memory.MEMORY >> 20} MiB of samples beside "
                "its texts. Give fewer, or smaller ones."
            )

    def dataset(self) -> Dataset:
        """The data set of all of them."""
        known = {each.spec.name: each for each in self.request.beside_text}
        beside = {name: self._joined(known[name], name) for name in self.parts}
        texts, origin = self.texts.texts, self.texts.origin
        return from_texts(texts, self.texts.y, self.request, origin, beside=beside)

    def _joined(self, one: RequestedInput, name: str) -> Beside:
        origin = f"{self.texts.origin}: '{name}'"
        shapes = sorted({part.shape[1:] for part in self.parts[name]})
        if len(shapes) > 1:
            raise DataError(
                f"{origin} has different shapes: "
                f"{' and '.join(str(list(shape)) for shape in shapes[:2])}. Make them the same."
            )
        values, notes = one.arrange(np.concatenate(self.parts[name]), origin)
        return InMemory(values=values), notes
