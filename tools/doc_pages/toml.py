"""A page for each table of `edgekit.toml`, a section for each key, from the types."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
import types
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Len, Lt, MaxLen, MinLen

from edgekit.config import project
from edgekit.config.renamed import KEYS
from edgekit.types.names import RuntimeName
from tools.doc_pages.markdown import bullets, page, prose, table

_PLAIN = {
    bool: "`true` or `false`",
    int: "a whole number",
    float: "a number",
    str: "text",
}
_UNSET = re.compile(r"(^|[.;] )?`None`")
"""Python's word for a key that is not there."""
_LIMITS = {Gt: "above {}", Ge: "at least {}", Lt: "below {}", Le: "at most {}"}


def pages() -> Iterator[tuple[str, str]]:
    """File name below `docs/` and text of each page."""
    tables = list(_tables())
    for path, kind in tables:
        yield f"toml/{_file(path)}", _page(path, kind)
    rows = [
        (
            f"[`[{path}]`]({_file(path)})",
            ", ".join(f"`{key}`" for key, *_ in _keys(kind)),
        )
        for path, kind in tables
    ]
    renamed = bullets(
        f"`{old}` is now {' or '.join(f'`{name}`' for name in new)}"
        for old, new in KEYS.items()
    )
    yield (
        "toml/index.md",
        page(
            "edgekit.toml",
            "One file beside your network. `edgekit init` writes a commented one from what the "
            "folder shows; an unknown key or a value of another type is one line with the file, "
            "the line number and the fix. `name` at its top is the project's name, the folder's "
            "by default.",
            table(("table", "keys"), rows),
            "`[target.NAME.budget]` and `[target.NAME.recipe]` hold values for one target in "
            "place of the general ones. `--set recipe.distill.epochs=5` takes the place of a "
            "value for one command.",
            "Keys of earlier versions are named with their new names:",
            renamed,
        ),
    )


def _tables() -> Iterator[tuple[str, type]]:
    for name, kind in project.tables().items():
        yield from _nested(name, kind)


def _nested(path: str, kind: type) -> Iterator[tuple[str, type]]:
    yield path, kind
    for key, hint, _, _ in _keys(kind):
        inner = _dataclass(hint)
        if inner is not None and inner.__name__ not in ("StudentSpec", "NetworkSpec"):
            yield from _nested(f"{path}.{key}", inner)


def _file(path: str) -> str:
    return f"{path.replace('.', '-')}.md"


def _page(path: str, kind: type) -> str:
    own = inspect.getdoc(kind) or ""
    brackets = f"[[{path}]]" if path == "model.inputs" else f"[{path}]"
    parts = []
    for key, hint, default, text in _keys(kind):
        inner = _dataclass(hint)
        more = f"See [`[{path}.{key}]`]({_file(f'{path}.{key}')})." if inner else ""
        if inner is not None and inner.__name__ in ("StudentSpec", "NetworkSpec"):
            more = f"A table has {_inline(inner)}."
        parts += [
            f"## {key}",
            f"{_type(hint)[:1].upper()}{_type(hint)[1:]}. {_default(default)}",
            _text(text),
            more,
        ]
    return page(brackets, "" if own.startswith(f"`[{path}]`.") else _text(own), *parts)


def _text(docstring: str) -> str:
    return prose(_UNSET.sub(_unset, docstring))


def _unset(found: re.Match[str]) -> str:
    before = found[1]
    return (
        "unset"
        if before is None
        else f"{before}{'unset' if ';' in before else 'Unset'}"
    )


def _inline(kind: type) -> str:
    return ", ".join(f"`{key}` ({_type(hint)})" for key, hint, *_ in _keys(kind))


@cache
def _keys(kind: type) -> list[tuple[str, Any, Any, str]]:
    """Name, type, default and text of each field."""
    hints = get_type_hints(kind, include_extras=True)
    texts = _texts(kind)
    return [
        (each.name, hints[each.name], _value(each), texts.get(each.name, ""))
        for each in dataclasses.fields(kind)
    ]


def _value(each: dataclasses.Field[Any]) -> Any:
    if each.default_factory is not dataclasses.MISSING:
        return each.default_factory()
    return each.default


def _texts(kind: type) -> dict[str, str]:
    """The strings behind a class's fields."""
    [tree] = ast.parse(inspect.cleandoc(inspect.getsource(kind))).body
    found, last = {}, ""
    for node in getattr(tree, "body", ()):
        if isinstance(node, ast.AnnAssign):
            last = ast.unparse(node.target)
        elif isinstance(node, ast.Expr) and last:
            found[last] = inspect.cleandoc(ast.literal_eval(node.value))
            last = ""
    return found


def _dataclass(hint: Any) -> Any | None:
    """The table that a value is, if any of its forms is one."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return hint
    return next(filter(None, map(_dataclass, get_args(hint))), None)


def _type(hint: Any) -> str:
    """The type in words."""
    if hint == RuntimeName:
        return "the name of a [runtime](../runtimes/index.md)"
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _limited(inner[0], inner[1:])
    if origin is Literal:
        return " or ".join(f'`"{value}"`' for value in inner)
    if origin in (Union, types.UnionType):
        return ", or ".join(
            dict.fromkeys(_type(i) for i in inner if i is not type(None))
        )
    if origin is tuple:
        return f"an array: {_type(inner[0])}"
    if origin is not None and issubclass(origin, Mapping):
        return f"a table, {_type(inner[0])} = {_type(inner[1])}"
    return "a table" if dataclasses.is_dataclass(hint) else _PLAIN[hint]


def _limited(kind: Any, limits: tuple[Any, ...]) -> str:
    words = []
    for limit in limits:
        if isinstance(limit, (MinLen, Len)) and kind is not str:
            words.append(f"of at least {limit.min_length}")
        elif isinstance(limit, MaxLen):
            words.append(f"of at most {limit.max_length}")
        elif type(limit) in _LIMITS:
            words.append(_LIMITS[type(limit)].format(_bound(limit)))
    return ", ".join(filter(None, (_type(kind), " and ".join(words))))


def _bound(limit: Any) -> Any:
    return next(
        value for value in dataclasses.asdict(limit).values() if value is not None
    )


def _default(value: Any) -> str:
    if value is dataclasses.MISSING:
        return "**Needed.**"
    if value is None or value in ((), {}) or dataclasses.is_dataclass(value):
        return "Optional."
    listed = list(value) if isinstance(value, tuple) else value
    return f"Default: `{json.dumps(listed)}`."
