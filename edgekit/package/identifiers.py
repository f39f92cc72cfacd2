"""Names of a contract as identifiers of a programming language, and texts as its literals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence


def class_name(project: str) -> str:
    """A project's name as that of a class: `my net` is `MyNet`."""
    name = "".join(word[:1].upper() + word[1:] for word in _words(project)) or "Model"
    return name if name[0].isalpha() else f"Model{name}"


def variables(names: Iterable[str], reserved: Iterable[str] = ()) -> list[str]:
    """Names as those of variables, each once: `input_ids` is `inputIds`."""
    return _distinct((_variable(name) for name in names), reserved)


def constants(names: Iterable[str], reserved: Iterable[str] = ()) -> list[str]:
    """Names as those of constants, each once: `a "dog"` is `A_DOG`."""
    return _distinct((_constant(name) for name in names), reserved)


def utf16(character: str) -> str:
    """The escapes of a character's UTF-16 units, as Kotlin and JavaScript have them."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))


def literal(
    text: str, special: Mapping[str, str], escape: Callable[[str], str] = utf16
) -> str:
    """A text between quotes; `escape` is for characters that do not print."""
    parts = (one if one.isprintable() else escape(one) for one in text)
    return f'"{"".join(special.get(one) or one for one in parts)}"'


def _words(name: str) -> Sequence[str]:
    return re.findall(r"[A-Za-z0-9]+", name)


def _variable(name: str) -> str:
    first, *others = _words(name) or ["value"]
    low = first if first[0].islower() else first.lower()
    whole = low + "".join(word[:1].upper() + word[1:] for word in others)
    return whole if whole[0].isalpha() else f"n{whole}"


def _constant(name: str) -> str:
    whole = "_".join(_words(name)).upper() or "LABEL"
    return whole if whole[0].isalpha() else f"N{whole}"


def _distinct(names: Iterable[str], reserved: Iterable[str]) -> list[str]:
    taken = set(reserved)
    found = []
    for name in names:
        free, number = name, 2
        while free in taken:
            free, number = f"{name}{number}", number + 1
        taken.add(free)
        found.append(free)
    return found
