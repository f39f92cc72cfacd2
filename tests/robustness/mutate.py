"""Seeded damage to files: by bytes, by the structure of JSON and TOML, by that of zip archives."""

from __future__ import annotations

import copy
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from typing import Any

_ODD: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, 2**63, 10**40, -(10**40), 1e308, float("nan"), float("inf"),
    "", "x" * 5000, "../../etc/passwd", "/etc/passwd", "-x", "\0", "\n", "\ud7ff", "💥",
    "__import__('os').system('true')", [], {}, [[]], {"a": {}}, [None] * 100,
)  # fmt: skip
_LENGTHS = (0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)

Mutator = Callable[[bytes, random.Random], bytes]


def truncated(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def flipped(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def zeroed(content: bytes, chance: random.Random) -> bytes:
    size = chance.choice((16, 512, 4096))
    start = chance.randrange(max(1, len(content)))
    return (
        content[:start]
        + bytes(len(content[start : start + size]))
        + content[start + size :]
    )


def spliced(content: bytes, chance: random.Random) -> bytes:
    a, b, c = (chance.randrange(len(content) + 1) for _ in range(3))
    return content[:a] + content[min(b, c) : max(b, c)] + content[a:]


def cut_out(content: bytes, chance: random.Random) -> bytes:
    a, b = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    return content[:a] + content[b:]


def relengthed(content: bytes, chance: random.Random) -> bytes:
    """A 32-bit field, as a length or an offset may be, with an extreme value."""
    changed = bytearray(content)
    if len(changed) >= 4:
        place = chance.randrange(len(changed) - 3)
        place -= place % chance.choice((1, 4))
        struct.pack_into("<I", changed, place, chance.choice(_LENGTHS))
    return bytes(changed)


BYTES: tuple[Mutator, ...] = (truncated, flipped, zeroed, spliced, cut_out, relengthed)


def json_edited(content: bytes, chance: random.Random) -> bytes:
    """A value of another type, a key gone, one too many, or nesting without end."""
    document = json.loads(content)
    if chance.random() < 0.05:
        depth = chance.choice((500, 5000, 100_000))
        return b"[" * depth + b"]" * depth
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        place = _somewhere(document, chance)
        if place is None:
            break
        holder, key = place
        action = chance.randrange(4)
        if action == 0 and isinstance(holder, dict):
            del holder[key]
        elif action == 1 and isinstance(holder, dict):
            holder[chance.choice(("unknown", "name", "path", "__class__"))] = holder[
                key
            ]
        else:
            holder[key] = copy.deepcopy(chance.choice(_ODD))
    return json.dumps(document).encode("utf-8", "surrogatepass")


def _somewhere(document: Any, chance: random.Random) -> tuple[Any, Any] | None:
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            places.append((value, key))
            if isinstance(value[key], dict | list):
                walk(value[key])

    if isinstance(document, dict | list):
        walk(document)
    return chance.choice(places) if places else None


def toml_edited(content: bytes, chance: random.Random) -> bytes:
    lines = content.decode().split("\n")
    values = (
        "nan", "inf", "-1", "0", "1e400", "99999999999999999999", "'x'", "''", "[]", "{}",
        "true", "1979-05-27", "'../../etc/passwd'", "'-x'", "[[[]]]", '"\\u0000"',
        "[" * 3000 + "]" * 3000, "{a=" * 200 + "1" + "}" * 200,
    )  # fmt: skip
    for _ in range(chance.choice((1, 1, 2))):
        number = chance.randrange(len(lines))
        key, equals, _ = lines[number].partition("=")
        action = chance.randrange(4)
        if action == 0:
            del lines[number]
        elif action == 1:
            lines.insert(number, lines[chance.randrange(len(lines))])
        elif equals:
            lines[number] = f"{key}= {chance.choice(values)}"
        lines = lines or [""]
    return "\n".join(lines).encode()


def zip_edited(
    content: bytes, chance: random.Random, inner: Mutator = flipped
) -> bytes:
    """A member gone, there twice, damaged within, renamed out of the archive, or a bomb."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        members = [(name, old.read(name)) for name in old.namelist()]
    number = chance.randrange(len(members))
    name, data = members[number]
    action = chance.randrange(7)
    if action == 0:
        del members[number]
    elif action == 1:
        members.append((name, data))
    elif action == 2:
        members[number] = (chance.choice(("../x", "/x", "", "a/b", name + "x")), data)
    elif action == 3:
        members[number] = (name, b"\0" * chance.choice((0, 1 << 20)))
    else:
        members[number] = (name, inner(data, chance))
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for member, data in members:
            new.writestr(zipfile.ZipInfo(member), data)
    return stream.getvalue()


def of(content: bytes, kind: str, seed: int) -> bytes:
    """One mutation; `kind` is `bytes`, `json`, `toml` or `zip`: then half are by structure."""
    chance = random.Random(seed)
    if kind != "bytes" and chance.random() < 0.6:
        if kind == "zip" and zipfile.is_zipfile(io.BytesIO(content)):
            return zip_edited(content, chance, _inner)
        if kind == "zip":
            return chance.choice(BYTES)(content, chance)
        return (json_edited if kind == "json" else toml_edited)(content, chance)
    return chance.choice(BYTES)(content, chance)


def _inner(content: bytes, chance: random.Random) -> bytes:
    """JSON inside an archive by its structure, anything else by its bytes."""
    try:
        json.loads(content)
    except ValueError:
        return chance.choice(BYTES)(content, chance)
    return json_edited(content, chance)
