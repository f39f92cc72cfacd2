"""Texts in what someone holds: tables, sequences of samples, loaders of batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Any

import numpy as np

from edgekit.agent.serving.encode import Text
from edgekit.data import text_input
from edgekit.data.dataset import Dataset
from edgekit.data.preprocess import Array
from edgekit.data.request import NO_TOKENIZER, Request
from edgekit.data.samples import Samples
from edgekit.errors import DataError
from edgekit.types import Preprocess
from edgekit.types.notes import Note

PAIRS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("question", "context"),
    ("query", "passage"),
    ("text1", "text2"),
    ("text", "text_pair"),
)
"""Usual names of the two texts of a pair."""
Beside = tuple[Samples, tuple[Note, ...]]
"""Samples of an input beside a text, and notes where they had to be turned around."""
SINGLES = ("text", "sentence", "content", "review", "document", "tweet", "x", "inputs")


@dataclass(kw_only=True)
class TextRows:
    """Texts and their targets as they are read, the latter all or none."""

    origin: str
    texts: list[Text] = field(default_factory=list)
    targets: list[Any] = field(default_factory=list)

    def add(self, texts: Sequence[Text], targets: Sequence[Any] | None) -> None:
        """Add samples; raises `DataError` where their number is not that of the targets."""
        if targets is not None and len(targets) != len(texts):
            raise DataError(
                f"{self.origin} has {len(texts)} texts and {len(targets)} labels. Give one a "
                "text."
            )
        if bool(self.targets) != (targets is not None) and self.texts:
            raise DataError(
                f"{self.origin} has samples with labels and without. Give -1."
            )
        self.texts += texts
        self.targets += targets or ()

    @property
    def y(self) -> Array | None:
        """The targets (n, ...), where there are any."""
        return np.array([np.asarray(y) for y in self.targets]) if self.targets else None

    def dataset(self, request: Request) -> Dataset:
        """The data set of all of them."""
        return from_texts(self.texts, self.y, request, self.origin)


def from_texts(
    texts: Sequence[Text],
    y: Any | None,
    request: Request,
    origin: str,
    names: tuple[str, ...] | None = None,
    beside: Mapping[str, Beside] | None = None,
) -> Dataset:
    """A data set of texts and their targets (n, ...) or none; `names` are the classes'.

    `beside` has the samples of inputs that tokens do not fill, by name.
    """
    if request.text is None:
        raise DataError(f"{origin} holds texts. {NO_TOKENIZER}")
    if not texts:
        raise DataError(f"{origin} has no samples.")
    encoded = text_input.samples(texts, request.text, origin)
    if y is None and request.format.from_inputs is not None:
        y = request.format.from_inputs(encoded[0].table.known())
    others = beside or {}
    missing = [x.spec.name for x in request.beside_text if x.spec.name not in others]
    if missing:
        raise DataError(
            f"{origin} has texts and no '{missing[0]}', which the network takes beside them. "
            "Give a column, or dictionaries, with that name."
        )
    samples: dict[str, Samples] = {one.name: one for one in encoded}
    samples |= {name: part for name, (part, _) in others.items()}
    as_is = Preprocess(scale=1.0)
    inputs = tuple(
        each if each.spec.name in others else replace(each, preprocess=as_is)
        for each in request.inputs
    )
    return replace(request, inputs=inputs).labeled(
        [samples[name] for name in request.names],
        y,
        origin,
        names=names,
        notes=tuple(note for _, notes in others.values() for note in notes),
    )


def reads_texts(given: Iterable[str], request: Request) -> bool:
    """Return whether texts are looked for among columns: the inputs' own are not there, or the
    project names texts."""
    declared = request.text is not None and request.text.columns
    if not declared and {*request.names} <= {*given}:
        return False
    return request.text is not None or request.takes_tokens


def text_keys(
    names: Iterable[str], request: Request, origin: str
) -> tuple[str, ...] | None:
    """The names of the text, or of the two of a pair, among those that hold texts.

    `None` without any. Raises `DataError` where names of `[data.text]` are missing, and where
    several could be meant.
    """
    there = [name for name in names if name != request.targets_in(dict.fromkeys(names))]
    declared = request.text.columns if request.text is not None else ()
    if declared:
        missing = next((name for name in declared if name not in there), None)
        if missing is None:
            return declared
        raise DataError(
            f"{origin} has no texts '{missing}', which [data.text] columns names; it has "
            f"{', '.join(there) or 'none'}."
        )
    if not there:
        return None
    pair = next((pair for pair in PAIRS if {*pair} <= {*there}), None)
    if pair is not None:
        return pair
    single = next((name for name in SINGLES if name in there), None)
    if single is None and len(there) > 1:
        raise DataError(
            f"{origin} has the texts {', '.join(there)}. Name the one, or the two of a pair: "
            "[data.text] columns = [...]."
        )
    return (single or there[0],)


def joined(columns: Sequence[Sequence[str]]) -> list[Text]:
    """The texts of one column, or the pairs of two."""
    if len(columns) == 1:
        return list(columns[0])
    return list(zip(columns[0], columns[1], strict=True))


# --- what someone holds -----------------------------------------------------------------------


def held_texts(held: Any, request: Request, origin: str) -> tuple[Dataset | None, Any]:
    """The data set of the texts that someone holds, or `None`; and what is held, of which nothing
    was taken.

    All at once: texts, (texts, targets) or a mapping of both. Else samples (text, target), text,
    or mappings; a pair is a tuple of two texts in the place of one. Or batches of these.
    """
    rows = TextRows(origin=origin)
    if isinstance(held, str | bytes | Dataset):
        return None, held
    whole = _whole(held, request, origin)
    if whole is not None:
        rows.add(*whole)
        return rows.dataset(request), held
    if isinstance(held, Mapping):
        return None, held
    batched = not _indexed(held)
    each, held = each_row(held)
    for number, row in enumerate(each):
        # Two texts in a list are a sample and its class, but a batch where there are batches.
        alone = batched and isinstance(row, list) and _strings(row)
        found = (list(row), None) if alone else _row(row, request, origin)
        if found is None and not rows.texts:
            return None, held
        if found is None:
            raise DataError(
                f"{origin}: sample {number} is not a text. Give texts alone."
            )
        rows.add(*found)
    return rows.dataset(request) if rows.texts else None, held


_Found = tuple[list[Text], list[Any] | None]
"""Texts, and a target of each or none."""


def _whole(held: Any, request: Request, origin: str) -> _Found | None:
    """The texts of everything that is held at once; `None` for samples one by one."""
    if isinstance(held, Mapping):
        return _of_mapping(held, request, origin)
    if isinstance(held, tuple) and len(held) == 2 and _several(held[1]):
        return _batch(held[0], held[1])
    listed = [] if _pairs(held) else texts_of(held)
    return (listed, None) if listed else None


def _row(row: Any, request: Request, origin: str) -> _Found | None:
    """The texts of a sample or batch; `None` where it has none."""
    if isinstance(row, Mapping):
        return _of_mapping(row, request, origin)
    if isinstance(row, tuple | list) and len(row) == 2:
        x, y = row
        if _several(y) and _columns(x, len(y)):  # as torch collates pairs
            return joined(x), listed(y)
        return _batch(x, y)
    return _batch(row[0] if isinstance(row, tuple) and len(row) == 1 else row, None)


def _of_mapping(
    given: Mapping[str, Any], request: Request, origin: str
) -> _Found | None:
    """The texts of a sample, a batch or a table by name."""
    if not reads_texts(given, request):
        return None
    keys = text_keys([n for n in given if texts_of(given[n])], request, origin)
    if keys is None:
        return None
    key = request.targets_in(given)
    y = None if key is None else given[key]
    parts = [given[k] for k in keys]
    if isinstance(parts[0], str):
        return _batch(parts[0] if len(parts) == 1 else tuple(parts), y)
    return joined([list(part) for part in parts]), listed(y)


def _batch(x: Any, y: Any) -> _Found | None:
    """A text or a pair with its target, or lists of them."""
    if isinstance(x, str):
        return [x], None if y is None else [y]
    if isinstance(x, tuple) and _pairs([x]) and not (_several(y) and len(y) == 2):
        return [(x[0], x[1])], None if y is None else [y]
    found = texts_of(x)
    return (found, listed(y)) if found else None


def texts_of(x: Any) -> list[Text]:
    """The texts or pairs in a list of them, or in a tuple of two lists; empty without any."""
    if isinstance(x, str):
        return [x]
    listed = x.tolist() if isinstance(x, np.ndarray) and x.dtype.kind in "UO" else x
    if not isinstance(listed, list | tuple) or not listed:
        return []
    if all(isinstance(each, str) for each in listed):
        return list(listed)
    if isinstance(listed, tuple) and len(listed) == 2 and all(map(_strings, listed)):
        return joined([list(part) for part in listed])
    return [(a, b) for a, b in listed] if _pairs(listed) else []


def _pairs(listed: Any) -> bool:
    return isinstance(listed, list | tuple) and all(
        isinstance(each, list | tuple) and len(each) == 2 and _strings(each)
        for each in listed
    )


def _columns(x: Any, count: int) -> bool:
    """Return whether the first texts of `count` pairs are there, and then the second ones."""
    return (
        isinstance(x, list | tuple)
        and len(x) == 2
        and all(_strings(part) and len(part) == count for part in x)
    )


def _strings(values: Any) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(x, str) for x in values)


def _several(y: Any) -> bool:
    """Return whether targets are those of several samples, one after the other."""
    return isinstance(y, list | tuple) or bool(getattr(y, "ndim", 0))


def listed(y: Any) -> list[Any] | None:
    """Targets of several samples as a list of them; `None` of none."""
    if y is None:
        return None
    if hasattr(y, "detach"):
        y = y.detach().cpu().numpy()
    return list(y)


def each_row(held: Any) -> tuple[Iterator[Any], Any]:
    """Samples or batches, and what gives them again: by number where there are numbers, as a
    `Dataset` may have no end else."""
    if _indexed(held):
        return (held[number] for number in range(len(held))), held
    if not isinstance(held, Iterable):
        return iter(()), held
    each = iter(held)
    first = list(islice(each, 1))
    return chain(first, each), chain(first, each)


def _indexed(held: Any) -> bool:
    return hasattr(held, "__len__") and hasattr(held, "__getitem__")
