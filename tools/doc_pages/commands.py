"""A page for each command, from the command line's own parser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import typer.main

from edgekit.cli import app
from edgekit.errors import EXIT_CODES
from tools.doc_pages.markdown import bullets, page, prose, table

_KINDS = {bool: "", str: "TEXT", int: "NUMBER", float: "NUMBER", Path: "PATH"}


def pages() -> Iterator[tuple[str, str]]:
    """File name below `docs/` and text of each page."""
    found = list(_commands(typer.main.get_command(app), ()))
    for names, command in found:
        yield f"commands/{'-'.join(names)}.md", _page(names, command)
    rows = [
        (f"[`edgekit {' '.join(names)}`]({'-'.join(names)}.md)", _first(command))
        for names, command in found
    ]
    codes = bullets(f"`{code}`: {text}" for code, text in EXIT_CODES.items())
    yield (
        "commands/index.md",
        page(
            "Commands",
            table(("command", "what it does"), rows),
            "`--quiet` prints errors only; `--json` is for pipelines ([Scripts and "
            "assistants](../scripts.md)). `edgekit build` and `plan` print more with `-v`, and all "
            "with `-vv`; their logs are in `~/.cache/edgekit/logs`.",
            "## Exit codes",
            codes,
        ),
    )


def _commands(
    command: Any, names: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", {})
    if names and not (inner and command.no_args_is_help):
        yield names, command
    for name, each in sorted(inner.items()):
        yield from _commands(each, (*names, name))


def _first(command: Any) -> str:
    return (command.help or "").partition("\n\n")[0]


def _page(names: tuple[str, ...], command: Any) -> str:
    parameters = command.get_params(command.context_class(command))
    arguments = [p for p in parameters if not _is_option(p)]
    options = [
        p for p in parameters if _is_option(p) and not p.hidden and p.name != "help"
    ]
    usage = " ".join(
        (
            "edgekit",
            *names,
            *(_argument(p) for p in arguments),
            "[OPTIONS]" if options else "",
        )
    )
    return page(
        f"edgekit {' '.join(names)}",
        prose(command.help or ""),
        f"```text\n{usage.strip()}\n```",
        table(
            ("argument", "meaning"), [(p.name.upper(), p.help or "") for p in arguments]
        ),
        table(("option", "meaning", "default"), map(_option, options)),
        "Exit codes are those of [every command](index.md#exit-codes).",
    )


def _is_option(parameter: Any) -> bool:
    return bool(parameter.opts[0].startswith("-"))


def _argument(parameter: Any) -> str:
    name = parameter.name.upper() + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _option(parameter: Any) -> tuple[str, str, str]:
    kind = _kind(parameter)
    names = ", ".join(
        f"`{name} {kind}`".replace(" `", "`")
        for name in sorted((*parameter.opts, *parameter.secondary_opts), key=len)
    )
    more = (
        " Repeatable." if parameter.multiple and "epeat" not in parameter.help else ""
    )
    return names, f"{parameter.help}{more}", _default(parameter)


def _kind(parameter: Any) -> str:
    descriptor = getattr(parameter, "type_descriptor", None)
    annotation = getattr(descriptor, "annotation", bool)
    while get_args(annotation):
        annotation = get_args(annotation)[0]
    return _KINDS.get(annotation, "VALUE")


def _default(parameter: Any) -> str:
    if parameter.required:
        return "needed"
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    value = parameter.default
    if value is None or value is False or not parameter.show_default:
        return ""
    return f"`{'.' if value == Path() else value}`"
