"""From texts to token numbers: the preprocessing contract of text.

The one implementation: training reads its texts through it, and so does the device. It needs the
package tokenizers, whose reading of `tokenizer.json` is part of the contract.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Union

import numpy as np

from ..errors import FILES, INPUTS_INVALID, RUNTIME_MISSING, AgentError, one_line
from .decode import Array
from .places import TEXT_BYTES

Text = Union[str, tuple[str, str]]
"""One text, or the two of a pair."""
_PARTS = {"ids": "ids", "mask": "attention_mask", "types": "type_ids"}
"""Attributes of an encoding by what an input takes: token numbers, 1 for each token that is not
padding, the number of the text in a pair."""
_WIDTHS = {"ids": np.int32, "mask": np.uint8, "types": np.uint8}


class TextEncoder:
    """A tokenizer, with its length and padding, as `contract` (the `text` of a manifest) has
    them."""

    def __init__(self, content: str, contract: Mapping[str, Any]) -> None:
        """`content` is a `tokenizer.json`. Raises `files` where it cannot be read."""
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise AgentError(
                RUNTIME_MISSING,
                f"Reading text needs the package tokenizers ({one_line(error)}).",
            ) from error
        self.length = int(contract["length"])
        self.pair = bool(contract["pair"])
        self.inputs: dict[str, str] = dict(contract["inputs"])
        with _reported(FILES, "the tokenizer"):
            self._tokenizer = Tokenizer.from_str(content)
            self._tokenizer.enable_truncation(
                self.length, direction=contract["truncation_side"]
            )
            self._tokenizer.enable_padding(
                length=self.length,
                direction=contract["padding_side"],
                pad_id=contract["pad_id"],
                pad_type_id=contract["pad_type_id"],
                pad_token=contract["pad_token"],
            )

    @property
    def content(self) -> str:
        """The `tokenizer.json` that does all of it: length and padding are in it."""
        return str(self._tokenizer.to_str())

    def fits(self, text: Text) -> bool:
        """Return whether the tokens that are put around a text leave room within the length."""
        added = self._tokenizer.num_special_tokens_to_add(not isinstance(text, str))
        return bool(added <= self.length)

    def check(self, texts: Sequence[Text], name: str) -> None:
        """Raise `inputs_invalid` for pairs where the model takes single texts, or the other way."""
        if any(isinstance(each, str) == self.pair for each in texts):
            takes = "pairs of texts" if self.pair else "one text a sample"
            raise AgentError(INPUTS_INVALID, f"The model takes {takes}; see {name}.")

    def encode(self, texts: Sequence[Text], name: str = "a text") -> dict[str, Array]:
        """Whole numbers (n, length) for each input by name; raises `inputs_invalid`.

        A text that is too long is cut, of a pair the longer one.
        """
        with _reported(INPUTS_INVALID, name):
            found = [
                self._tokenizer.encode(*((each,) if isinstance(each, str) else each))
                for each in texts
            ]
            if any(len(each.ids) != self.length for each in found):
                raise ValueError(
                    f"its special tokens alone are more than {self.length}, the length"
                )
            return {
                each: np.array(
                    [getattr(row, _PARTS[part]) for row in found], _WIDTHS[part]
                ).reshape(-1, self.length)
                for each, part in self.inputs.items()
            }


def texts_in(content: bytes, name: str) -> list[Text]:
    """The texts of a file: JSON as `texts_of` takes it, objects line by line, or one plain text.

    A `.txt` is always plain. Raises `inputs_invalid` for what is neither.
    """
    return [text for one in documents_in(content, name) for text in texts_of(one, name)]


def documents_in(content: bytes, name: str) -> list[Any]:
    """The JSON documents of such a file; a plain text is one."""
    try:
        plain = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise AgentError(
            INPUTS_INVALID, f"{name} is not UTF-8 text ({one_line(error)[:120]})."
        ) from error
    if name.endswith(".txt") or not plain.lstrip().startswith(("{", "[")):
        return [plain.rstrip("\r\n")]
    try:
        return list(_documents(plain))
    except (ValueError, RecursionError) as error:
        raise AgentError(
            INPUTS_INVALID, f"Cannot read {name} as JSON ({one_line(error)[:120]})."
        ) from error


def texts_of(given: Any, name: str, most: int = TEXT_BYTES) -> list[Text]:
    """The texts of a JSON document: `{"text": "..."}`, for pairs with a `"text_pair"` beside it,
    either a list of them for several; or a list of such objects and of texts.

    Raises `inputs_invalid` for anything else, and for a text of more than `most` bytes.
    """
    documents = given if isinstance(given, list) else [given]
    found: list[Text] = []
    for one in documents:
        if isinstance(one, dict) and "text" in one:
            found += _named(one, name, most)
        else:
            found.append(checked(one, name, most))
    if not found:
        raise AgentError(
            INPUTS_INVALID, f'{name} holds no texts. Give {{"text": "..."}}.'
        )
    return found


def checked(text: Any, name: str, most: int = TEXT_BYTES) -> str:
    """A text of at most `most` bytes; raises `inputs_invalid` for anything else."""
    if not isinstance(text, str):
        raise AgentError(
            INPUTS_INVALID,
            f"{name} holds a {type(text).__name__} where a text should be. Give "
            '{"text": "..."}.',
        )
    size = len(text.encode("utf-8", "replace"))
    if size > most:
        raise AgentError(
            INPUTS_INVALID,
            f"{name} holds a text of {size} bytes; at most {most} are read.",
        )
    return text


def _named(one: Mapping[str, Any], name: str, most: int) -> list[Text]:
    """The texts of an object, each with its second one where it has a `text_pair`."""
    listed = [
        part if isinstance(part, list) else [part]
        for part in (one["text"], one.get("text_pair"))
        if part is not None
    ]
    columns = [[checked(text, name, most) for text in part] for part in listed]
    if len(columns) == 1:
        return [*columns[0]]
    if not columns or len(columns[0]) != len(columns[1]):
        counts = " and ".join(str(len(part)) for part in columns)
        raise AgentError(
            INPUTS_INVALID,
            f"{name} has {counts or 'no'} texts in 'text' and 'text_pair'.",
        )
    return list(zip(*columns))


def _documents(plain: str) -> Iterator[Any]:
    """The whole as one JSON document, else one a line."""
    try:
        yield json.loads(plain)
    except ValueError:
        lines = [line for line in plain.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        yield from map(json.loads, lines)


class _reported:
    """Turns what the library raises, panics of its Rust among them, into one line."""

    def __init__(self, kind: str, name: str) -> None:
        self._kind, self._name = kind, name

    def __enter__(self) -> None:
        """Nothing is done before."""

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        panicked = type(error).__name__ == "PanicException"
        if panicked or (
            isinstance(error, Exception)
            and not isinstance(error, (AgentError, MemoryError))
        ):
            raise AgentError(
                self._kind, f"Cannot read {self._name} ({one_line(error)[:160]})."
            ) from error
