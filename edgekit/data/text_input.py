"""Texts as samples: the token numbers of each input, by the network's tokenizer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.agent.errors import AgentError
from edgekit.agent.serving.encode import Text, TextEncoder
from edgekit.data.memory import fits
from edgekit.data.preprocess import Array
from edgekit.data.samples import Indices
from edgekit.errors import DataError
from edgekit.program import tokenizer
from edgekit.program.program import Program
from edgekit.program.tokenizer import Tokenizer
from edgekit.types import InputSpec, TextContract, TextSpec, TokenPart


@dataclass(frozen=True, kw_only=True)
class TextInput:
    """Conversion of texts to the inputs of a network."""

    tokenizer: Tokenizer
    inputs: tuple[tuple[str, TokenPart], ...]
    """The inputs, each with the part of an encoding that it takes."""
    length: int
    columns: tuple[str, ...] = ()
    """Names of the texts in tables and mappings; empty: the usual ones."""
    pair: bool = False
    """True where a sample is two texts."""

    @cached_property
    def encoder(self) -> TextEncoder:
        """The reader of texts; raises `DataError` for a damaged tokenizer."""
        try:
            return TextEncoder(self.tokenizer.content, self._settings)
        except AgentError as error:
            raise DataError(error.message) from error

    @property
    def content(self) -> str:
        """The `tokenizer.json` that has the length and the padding in it."""
        return self.encoder.content

    @property
    def contract(self) -> TextContract:
        """From a text to the inputs, for an application."""
        return TextContract(
            sha256=hashlib.sha256(self.content.encode()).hexdigest(),
            vocabulary=self.tokenizer.vocabulary,
            special_tokens=self.tokenizer.special_tokens,
            **self._settings,
        )

    @property
    def _settings(self) -> dict[str, Any]:
        return self.tokenizer.settings(self.inputs, self.length, pair=self.pair)

    def encode(self, texts: Sequence[Text], origin: str) -> Mapping[str, Array]:
        """Whole numbers (n, length) for each input by name; raises `DataError`."""
        try:
            return self.encoder.encode(texts, f"a text of {origin}")
        except AgentError as error:
            raise DataError(error.message) from error


def text_input(
    specs: Sequence[InputSpec], text: TextSpec, own: Tokenizer | None, root: Path
) -> TextInput | None:
    """Conversion of texts to the inputs, by the tokenizer of `[data.text]`, else their `own`.

    `None` without any. Raises `ModelError` for a damaged tokenizer, `DataError` where the
    inputs take no tokens and the project names one.
    """
    used = own
    if text.tokenizer is not None:
        place = root / text.tokenizer
        used = tokenizer.read(place)
        if used is None:
            raise DataError(
                f"[data.text] tokenizer = '{text.tokenizer}': {place} has no {tokenizer.FILE}."
            )
    inputs = tokenizer.parts(specs)
    if text.tokenizer is not None and not inputs:
        names = ", ".join(spec.name for spec in specs)
        raise DataError(
            f"[data.text] tokenizer is for inputs of token numbers, and the network takes {names}. "
            "Leave it out, or name the inputs input_ids, attention_mask and token_type_ids."
        )
    if used is None or not inputs:
        return None
    shapes = {spec.name: spec.shape for spec in specs}
    length, *_ = shapes[inputs[0][0]]
    return TextInput(tokenizer=used, inputs=inputs, length=length, columns=text.columns)


def text_input_of(network: Program, text: TextSpec, root: Path) -> TextInput | None:
    """As `text_input`, of a network with what came with it."""
    return text_input(network.specs, text, network.tokenizer, root)


@dataclass(frozen=True, kw_only=True, eq=False)
class TextTable:
    """Texts, or pairs of them, and their tokens: kept where they fit into memory."""

    texts: Sequence[Text]
    how: TextInput
    origin: str
    _kept: dict[str, Mapping[str, Array]] = field(default_factory=dict)

    def tokens(self, indices: Indices) -> Mapping[str, Array]:
        """Whole numbers (n, length) for each input by name, of the texts at `indices`."""
        if not self._fits:
            # Every input asks for the same samples, one after the other.
            key = hashlib.sha256(indices.tobytes()).hexdigest()
            if key not in self._kept:
                self._kept.clear()
                chosen = [self.texts[int(index)] for index in indices]
                self._kept[key] = self.how.encode(chosen, self.origin)
            return self._kept[key]
        if not self._kept:
            self._kept[""] = self.how.encode(self.texts, self.origin)
        return {name: values[indices] for name, values in self._kept[""].items()}

    @cached_property
    def _fits(self) -> bool:
        return fits(len(self.texts) * self.how.length * 6)

    def known(self) -> Array:
        """Token numbers (n, length) of all texts, -1 where they are padding."""
        how = replace(self.how, inputs=(("ids", "ids"), ("mask", "mask")))
        found = how.encode(self.texts, self.origin)
        return np.where(found["mask"] == 1, found["ids"], -1)

    @cached_property
    def hashed(self) -> bytes:
        """SHA-256 of the texts and the contract."""
        found = hashlib.sha256(repr(asdict(self.how.contract)).encode())
        for text in self.texts:
            found.update(repr(text).encode("utf-8", "backslashreplace"))
        return found.digest()


@dataclass(frozen=True, kw_only=True, eq=False)
class Texts:
    """The tokens of texts that one input takes: `Samples`."""

    table: TextTable
    name: str
    """Of the input."""

    def __len__(self) -> int:
        return len(self.table.texts)

    def raw(self, indices: Indices) -> Array:
        """Whole numbers (n, length) of the texts at `indices`; raises `DataError`."""
        return self.table.tokens(indices)[self.name]

    @property
    def by_workers(self) -> bool:
        """Always false: the tokenizer has threads of its own."""
        return False

    def title(self, index: int) -> str:
        """The text's number."""
        return f"text {index} of {self.table.origin}"

    def digest(self) -> bytes:
        """SHA-256 of the texts, the contract and the input."""
        return hashlib.sha256(self.table.hashed + self.name.encode()).digest()


def samples(texts: Sequence[Text], how: TextInput, origin: str) -> list[Texts]:
    """Samples of each input, in order; raises `DataError` for mixed kinds of texts."""
    pair = not isinstance(texts[0], str)
    mixed = next((n for n, x in enumerate(texts) if isinstance(x, str) == pair), None)
    if mixed is not None:
        raise DataError(
            f"{origin} has texts and pairs of texts, first in sample {mixed}. Give one kind."
        )
    how = replace(how, pair=pair)
    if not how.encoder.fits(texts[0]):
        raise DataError(
            f"{origin}: a sequence of {how.length} tokens has no room for a text beside the "
            "special tokens. Make [model] input longer."
        )
    table = TextTable(texts=texts, how=how, origin=origin)
    return [Texts(table=table, name=name) for name, _ in how.inputs]
