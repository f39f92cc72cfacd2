"""Texts with their tokens, by which a page checks that its tokenizer reads as in training."""

from __future__ import annotations

from typing import Any

from edgekit.agent.serving.encode import Text, TextEncoder
from edgekit.package.opened import Bundle

_TEXTS = (
    "",
    "It was good, and not too long!",
    "  two  spaces,\ta tab\nand a line ",
    "D\u00e9j\u00e0 vu: THE film's 2nd half (\u65e5\u672c) isn't [SEP] <s> short.",
    "De\u0301ja\u0300 \ufb01ne \u00bd \u2026 \u200bx\u00a0y",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u0645\u0631\u062d\u0628\u0627!",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \uc548\ub155",
    "\U0001f44d\U0001f3fd \u2764\ufe0f e-mail@example.com https://a.b/c?d=1 $12,345.67",
    "supercalifragilisticexpialidocious " * 3,
)
"""Accents of both forms, scripts, marks of pictures, special tokens, spaces, a long text."""


def of(bundle: Bundle) -> list[dict[str, Any]]:
    """Texts of the kind that the bundle takes, each with its numbers by input; raises
    `RuntimeMissing` without the package tokenizers."""
    how = bundle.text or {}
    content = (bundle.folder / str(how["tokenizer"])).read_text("utf-8")
    texts: list[Text] = [(one, _TEXTS[1]) if how["pair"] else one for one in _TEXTS]
    rows = TextEncoder(content, how).encode(texts)
    return [
        {
            "texts": [text] if isinstance(text, str) else list(text),
            "rows": {name: values[number].tolist() for name, values in rows.items()},
        }
        for number, text in enumerate(texts)
    ]
