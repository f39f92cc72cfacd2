"""TOML files from outside: read into a dataclass, or refused in one line that names the place.

edgekit.toml:12: budget.latencyms = 20: unknown key; did you mean 'latency_ms'? ...
"""

from __future__ import annotations

import dataclasses
import json
import re
import string
import tomllib
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from edgekit.config import renamed
from edgekit.config.mistakes import OF_A_KEY, Key, Mistake, mistakes
from edgekit.errors import UsageError
from edgekit.runtimes import registry
from edgekit.safe_io import TEXT_BYTES, check_regular, reading
from edgekit.suggestions import suggest

T = TypeVar("T")

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_BARE = string.ascii_letters + string.digits + "_-"
"""Characters of a key that needs no quotes."""
_UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")
_EXPECTED = {
    "bool_type": "should be true or false",
    "dataclass_type": "should be a table: { key = value }",
    "dict_type": "should be a table: { key = value }",
    "finite_number": "should be a finite number",
    "float_type": "should be a number",
    "int_type": "should be a whole number",
    "string_type": 'should be text in quotes: "..."',
    "string_too_short": "should not be empty",
    "tuple_type": "should be an array: [...]",
    "list_type": "should be an array: [...]",
}


def read(
    path: Path,
    kind: type[T],
    error: type[UsageError],
    *,
    given: Mapping[str, Any] | None = None,
) -> T:
    """The dataclass `kind` that the file at `path` describes.

    `given` holds fields that do not come from the file (for example its name) and must not be
    in it. Raises `error` in one line: file, line, key, value, and what it should be.
    """
    with reading(path, error, kind="TOML"):
        return _read(path, kind, error, given)


def _read(
    path: Path, kind: type[T], error: type[UsageError], given: Mapping[str, Any] | None
) -> T:
    check_regular(path, error, limit=TEXT_BYTES)
    return parse(_text(path, error), path, kind, error, given=given)


def parse(
    text: str,
    path: Path,
    kind: type[T],
    error: type[UsageError],
    *,
    given: Mapping[str, Any] | None = None,
    base: Mapping[str, Any] | None = None,
) -> T:
    """As `read`, of a text that `path` names in errors.

    `base` is a document that the text's values take the place of, table by table.
    """
    document = _parsed(path, text, error)
    given = given or {}
    for name in given.keys() & document.keys():
        message = _unknown(name, _fields(kind, (), given))
        raise error(f"{_place(path, text, document, (name,))}: {message}")
    merged = {**_merged(base or {}, document), **given}
    whole = json.dumps([merged], default=str)
    try:
        found = _adapter(typing.cast(typing.Hashable, kind)).validate_json(
            whole, context={"runtimes": tuple(registry.known())}
        )
        return typing.cast(tuple[T], found)[0]
    except ValidationError as refused:
        found = mistakes(refused.errors(include_url=False), merged)
        first, others = _first(found, lines(text))
        known = _fields(kind, first.key[:-1], given)
        raise error(_sentence(path, text, document, first, known) + others) from None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    # In a tuple, because pydantic lets no caller configure a dataclass by itself.
    return TypeAdapter(tuple[kind], config=_STRICT)


def at(path: Path, *key: str | int, text: str | None = None) -> str:
    """`FILE:LINE: key = value`, to open a line about a value that `read` could not judge.

    `text` is what `parse` was given, in the place of the file's.
    """
    if text is None:
        text = path.read_text(encoding="utf-8-sig")
    return _place(path, text, tomllib.loads(text), key)


def lines(text: str) -> dict[Key, int]:
    """The line, from 1, of every table, key and array element of a valid TOML document."""
    return _Scanner(text).document()


# --- reading ----------------------------------------------------------------------------------


def _text(path: Path, error: type[UsageError]) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as failure:
        raise error(
            f"Cannot read {path} ({failure.strerror}). Check the path and its permissions."
        ) from failure
    except UnicodeDecodeError as failure:
        line = path.read_bytes()[: failure.start].count(b"\n") + 1
        raise error(f"{path}:{line}: not UTF-8; save the file as UTF-8.") from failure


def _parsed(path: Path, text: str, error: type[UsageError]) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as failure:
        found = re.search(
            r"^(.*) \(at (?:line (\d+), column \d+|end of .*)\)$", str(failure)
        )
        what, number = (found[1], found[2]) if found else (str(failure), None)
        rows = text.splitlines() or [""]
        line = min(int(number) if number else len(rows), len(rows))
        raise error(
            f"{path}:{line}: {_short(rows[line - 1].strip())}: not valid TOML: "
            f"{what[:1].lower()}{what[1:]}. Text takes quotes, and a key appears once."
        ) from failure


def _merged(base: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(base[key], value)
        for key, value in document.items()
        if isinstance(value, dict) and isinstance(base.get(key), dict)
    }
    return {**base, **document, **both}


# --- what is wrong ----------------------------------------------------------------------------


def _first(found: list[Mistake], numbers: Mapping[Key, int]) -> tuple[Mistake, str]:
    """The first mistake, a misspelt key before the key it leaves missing, and a word on more."""

    def rank(mistake: Mistake) -> tuple[bool, int, int]:
        key = mistake.key
        return (mistake.kind == "missing", _line(numbers, key), -len(key))

    more = f" ({len(found) - 1} more after this one.)" if len(found) > 1 else ""
    return min(found, key=rank), more


def _sentence(
    path: Path,
    text: str,
    document: Mapping[str, Any],
    mistake: Mistake,
    known: list[str],
) -> str:
    key = mistake.key
    if mistake.kind == "missing":
        table = f"[{_dotted(key[:-1])}]" if len(key) > 1 else "the file"
        line = _line(lines(text), key[:-1])
        return f"{path}:{line}: {_dotted(key)} is missing; add `{key[-1]} = ...` to {table}."
    [detail, *_] = mistake.details
    if key[-1:] == (OF_A_KEY,):
        key = key[:-1]
        message = _unknown(str(key[-1]), _choices(detail))
    elif mistake.kind in _UNKNOWN:
        new = renamed.key_message(key, known, table=isinstance(detail["input"], dict))
        if new is not None:
            return f"{path}:{_line(lines(text), key)}: {new}"
        message = _unknown(str(key[-1]), known)
    else:
        message = _wrong(mistake)
    return f"{_place(path, text, document, key)}: {message}"


def _unknown(name: str, known: list[str]) -> str:
    listed = f" Known: {', '.join(known)}." if known else ""
    return f"unknown key.{suggest(name, known)}{listed}"


def _wrong(mistake: Mistake) -> str:
    """The kinds that a value should be of."""
    choices = [choice for detail in mistake.details for choice in _choices(detail)]
    value = mistake.details[0]["input"]
    new = renamed.value_message(value, choices) if choices else None
    if new is not None:
        return new
    kinds = [_expected(one) for one in mistake.details if not _choices(one)]
    if choices:
        listed = ", ".join(map(repr, choices))
        kinds.append(
            f"should be one of {listed}" if choices[1:] else f"should be {listed}"
        )
    first, *others = dict.fromkeys(kinds)
    either = ", or ".join([first, *(one.removeprefix("should be ") for one in others)])
    return f"{either}.{suggest(str(value), choices) if choices else ''}"


def _expected(detail: ErrorDetails) -> str:
    known = _EXPECTED.get(detail["type"])
    if known is not None:
        return known
    message = detail["msg"].removeprefix("Value error, ")
    expected = re.sub(
        r"^(Input|Tuple|List|String|Dictionary) should", "should", message
    )
    return expected.replace(" after validation", "").rstrip(".")


def _choices(detail: ErrorDetails) -> list[str]:
    if detail["type"] != "literal_error":
        return []
    return re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", "")))


def _fields(kind: Any, key: Key, given: Mapping[str, Any]) -> list[str]:
    """Keys that the table at `key` of a document of type `kind` may have."""
    hidden = () if key else given.keys()
    for part in key:
        kind = _inside(kind, part)
    kind = _plain(kind)
    if not dataclasses.is_dataclass(kind):
        return []
    return [f.name for f in dataclasses.fields(kind) if f.name not in hidden]


def _inside(kind: Any, part: str | int) -> Any:
    kind = _plain(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return typing.get_type_hints(kind, include_extras=False).get(str(part))
    arguments = [a for a in typing.get_args(kind) if a is not ...]
    return arguments[-1] if arguments else None


def _plain(kind: Any) -> Any:
    """`kind` without `Annotated`; of several the one that has keys."""
    if typing.get_origin(kind) is typing.Annotated:
        return _plain(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (Union, UnionType):
        some = [_plain(a) for a in typing.get_args(kind) if a is not type(None)]
        return next(filter(dataclasses.is_dataclass, some), some[0])
    return kind


# --- where it is ------------------------------------------------------------------------------


def _place(path: Path, text: str, document: Mapping[str, Any], key: Key) -> str:
    line = _line(lines(text), key)
    value: Any = document
    for part in key:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return f"{path}:{line}: {_dotted(key)}"
    return f"{path}:{line}: {_dotted(key)} = {_shown(value)}"


def _line(numbers: Mapping[Key, int], key: Key) -> int:
    """The line of `key`, or of the nearest table around it."""
    while key and key not in numbers:
        key = key[:-1]
    return numbers.get(key, 1)


def _dotted(key: Key) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in key]
    return "".join(parts).removeprefix(".")


def _shown(value: Any) -> str:
    """`value` as TOML writes it, on one line and not too long."""
    if isinstance(value, Mapping):
        text = "{ " + ", ".join(f"{k} = {_shown(v)}" for k, v in value.items()) + " }"
    elif isinstance(value, list):
        text = f"[{', '.join(map(_shown, value))}]"
    else:
        text = json.dumps(value, default=str, ensure_ascii=False)
    return _short(text)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


class _Scanner:
    """Walks a document that `tomllib` has accepted, and notes the line of each key."""

    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n") + "\n"
        self.position = 0
        self.found: dict[Key, int] = {}
        self.counts: dict[Key, int] = {}

    def document(self) -> dict[Key, int]:
        table: Key = ()
        self._skip(" \t\n")
        while self.position < len(self.text):
            if self._peek("["):
                table = self._header()
            else:
                self._pair(table)
            self._skip(" \t\n")
        return self.found

    def _header(self) -> Key:
        array = self._peek("[[")
        self.position += 2 if array else 1
        names = self._names()
        table: Key = ()
        for depth, name in enumerate(names):
            table = (*table, name)
            last = depth == len(names) - 1
            if last and array:
                self.counts[table] = self.counts.get(table, -1) + 1
            self._note(table)
            if table in self.counts:
                table = (*table, self.counts[table])
                self._note(table)
        self.position += 2 if array else 1
        return table

    def _pair(self, table: Key) -> None:
        for name in self._names():
            table = (*table, name)
            self._note(table)
        self.position += 1  # the equals sign
        self._skip(" \t")
        self._value(table)

    def _names(self) -> list[str]:
        names = []
        while True:
            self._skip(" \t")
            start = self.position
            if self.text[start] in "\"'":
                self._string()
                quoted = self.text[start : self.position]
                names.append(tomllib.loads(f"x = {quoted}")["x"])
            else:
                self._skip(_BARE)
                names.append(self.text[start : self.position])
            self._skip(" \t")
            if not self._peek("."):
                return names
            self.position += 1

    def _value(self, key: Key) -> None:
        if self._peek("["):
            self._items("]", key)
        elif self._peek("{"):
            self._items("}", key)
        elif self.text[self.position] in "\"'":
            self._string()
        else:
            while self.text[self.position] not in ",]}#\n":
                self.position += 1

    def _items(self, end: str, key: Key) -> None:
        self.position += 1
        number = 0
        self._skip(" \t\n,")
        while not self._peek(end):
            if end == "}":
                self._pair(key)
            else:
                self._note((*key, number))
                self._value((*key, number))
            number += 1
            self._skip(" \t\n,")
        self.position += 1

    def _string(self) -> None:
        quote = self.text[self.position]
        fence = quote * 3 if self._peek(quote * 3) else quote
        self.position += len(fence)
        while not self._peek(fence):
            self.position += 2 if quote == '"' and self._peek("\\") else 1
        self.position += len(fence)
        # A multi-line string may end in quotes of its own: ""...""""".
        while len(fence) == 3 and self._peek(quote):
            self.position += 1

    def _skip(self, characters: str) -> None:
        """Pass over `characters` and comments."""
        while self.position < len(self.text):
            if self._peek("#"):
                self.position = self.text.index("\n", self.position)
            elif self.text[self.position] in characters:
                self.position += 1
            else:
                return

    def _peek(self, text: str) -> bool:
        return self.text.startswith(text, self.position)

    def _note(self, key: Key) -> None:
        line = self.text.count("\n", 0, self.position) + 1
        self.found.setdefault(key, line)
