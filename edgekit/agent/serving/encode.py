"""From texts to token numbers: the preprocessing contract of text.

The one implementation: training reads its texts through it, and so does the device. It needs the
package tokenizers, whose reading of `tokenizer.json` is part of the contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Union

import numpy as np

from ..errors import FILES, INPUTS_INVALID, RUNTIME_MISSING, AgentError, one_line
from .decode import Array

Text = Union[str, tuple[str, str]]
"""One text, or the two of a pair."""
MAX_TEXT_BYTES = 64 * 2**10
"""The most bytes of a text that comes from outside: what is over the model's length is cut, but
all of it is read before."""
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
