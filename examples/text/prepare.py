"""Make train.npz and test.npz again, from the messages of three Python packages.

    pip install django==5.2.19 sphinx==9.0.4 djangorestframework==3.18.3
    python prepare.py

A message is either for training or for testing, in all languages alike: of no test message
was a translation trained on.
"""

from __future__ import annotations

import gettext
import hashlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SEED = 0
LENGTH = 48
"""Bytes of UTF-8 that the network reads; shorter text is filled up with zeros."""
SHORTEST = 12
PER_LANGUAGE = {"train": 900, "test": 150}
TEST_FRACTION = 0.2
PACKAGES = ("django", "sphinx", "rest_framework")
LANGUAGES = (
    *("cs", "da", "de", "es", "et", "eu", "fi", "fr"),
    *("hu", "id", "it", "lt", "nl", "pl", "pt", "sv"),
)
_NOT_WORDS = re.compile(
    r"<[^>]*>|%\(\w+\)[a-z]|%[a-z]|\{[^}]*\}|&\w+;|:\w+:`[^`]*`|https?:\S+|\s+"
)


def messages(language: str) -> Iterator[tuple[str, str]]:
    """Each message in English and in `language`, without what is not words."""
    for package in PACKAGES:
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            raise SystemExit(f"The package {package} is not installed: see above.")
        folders = f"{language}/LC_MESSAGES/*.mo"
        for file in sorted(Path(found.origin).parent.rglob(folders)):
            with file.open("rb") as stream:
                catalog = vars(gettext.GNUTranslations(stream))["_catalog"]
            for key, translated in catalog.items():
                english = key if isinstance(key, str) else key[0]
                if english != translated:
                    yield english, _NOT_WORDS.sub(" ", translated)


def chunks(text: str) -> Iterator[str]:
    """`text` cut between words into parts that the network can read, the short ones left out."""
    part = ""
    for word in (*text.split(), "\0" * LENGTH):
        longer = f"{part} {word}".strip()
        if len(longer.encode()) <= LENGTH:
            part = longer
            continue
        if len(part) >= SHORTEST:
            yield part
        part = word


def part_of(english: str) -> str:
    """Return whether a message is for training or for testing, by its own hash."""
    number = int.from_bytes(hashlib.sha256(english.encode()).digest()[:4], "big")
    return "test" if number / 2**32 < TEST_FRACTION else "train"


def tokens(text: str) -> np.ndarray:
    """The bytes of `text` (LENGTH,), zeros after them."""
    return np.frombuffer(text.encode().ljust(LENGTH, b"\0"), np.uint8)


def main() -> None:
    draw = np.random.default_rng(SEED)
    rows: dict[str, list[tuple[np.ndarray, str]]] = {"train": [], "test": []}
    for language in LANGUAGES:
        texts: dict[str, set[str]] = {"train": set(), "test": set()}
        for english, text in messages(language):
            texts[part_of(english)].update(chunks(text))
        texts["test"] -= texts["train"]
        for part, count in PER_LANGUAGE.items():
            chosen = draw.permutation(sorted(texts[part]))[:count]
            print(f"{language} {part}: {len(chosen)} of {len(texts[part])}")
            rows[part] += [(tokens(str(text)), language) for text in chosen]
    for part, samples in rows.items():
        x, y = zip(*samples, strict=True)
        np.savez_compressed(HERE / f"{part}.npz", x=np.stack(x), y=np.array(y))


if __name__ == "__main__":
    main()
