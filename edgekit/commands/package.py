"""`edgekit package`: a bundle in the form that its device takes."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from typer.core import TyperCommand

from edgekit.commands.console import Bars, Json, Quiet, err_console, out_console
from edgekit.errors import UsageError
from edgekit.package import Option, Packaged, PackageKind, PackageRequest, kinds

_MB = 2**20
_TYPES: Mapping[str, Any] = {
    "text": str | None,
    "texts": list[str] | None,
    "path": Path | None,
    "flag": bool,
}


class PackageCommand(TyperCommand):
    """The command with a flag for each kind of package, looked for when it is used."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The options of every package kind that is there."""
        whole = _command(kinds())
        self.params, self.callback = whole.params, whole.callback
        return super().get_params(ctx)


def package() -> None:
    """Package a bundle for its device: the models, one runtime, numpy and the agent.

    What is in an image answers `infer`, `bench`, `info` and `serve`. Nothing runs during the
    build, so that images for ARM are built anywhere; the same bundle gives the same layers.

        edgekit package --docker build/raspberrypi
        docker run --rm -i IMAGE infer < image.png
    """


def show(made: Sequence[Packaged], *, as_json: bool, quiet: bool) -> None:
    """Packages with the sizes of their parts."""
    if as_json:
        print(json.dumps([one.facts for one in made], indent=2, default=str))
    elif not quiet:
        for one in made:
            if one.parts_bytes:
                out_console.print(_table(one))
            else:
                out_console.print(f"  {escape(one.title)}", highlight=False)


def _command(known: Mapping[str, PackageKind]) -> Any:
    """The command whose parameters are the kinds and their options."""

    def run(*, bundle: Path, as_json: bool, quiet: bool, **given: Any) -> None:
        name = _asked(known, given)
        request = _request(known, name, bundle, given, quiet=quiet)
        show(known[name].package(request), as_json=as_json, quiet=quiet)

    _sign(run, _parameters(known))
    app = typer.Typer(add_completion=False)
    app.command()(run)
    return typer.main.get_command(app)


def _parameters(known: Mapping[str, PackageKind]) -> dict[str, tuple[Any, Any]]:
    """Annotation and default of each parameter, by name."""
    help = "Folder that `edgekit build` left."
    found: dict[str, tuple[Any, Any]] = {
        "bundle": (
            Annotated[Path, typer.Argument(help=help)],
            inspect.Parameter.empty,
        )
    }
    for name, kind in known.items():
        flag = typer.Option(f"--{name}", help=kind.help)
        found[_flag(name)] = Annotated[bool, flag], False
    for kind in known.values():
        found |= {option.name: _parameter(option) for option in kind.options}
    return {**found, "as_json": (Json, False), "quiet": (Quiet, False)}


def _parameter(option: Option) -> tuple[Any, Any]:
    declared = typer.Option(
        f"--{option.name.replace('_', '-')}",
        help=option.help,
        show_default=option.default or False,
    )
    return Annotated[_TYPES[option.form], declared], option.empty


def _sign(function: Callable[..., None], parameters: dict[str, Any]) -> None:
    """Give a function the parameters that Typer reads."""
    function.__annotations__ = {name: kind for name, (kind, _) in parameters.items()}
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default
            )
            for name, (kind, default) in parameters.items()
        ]
    )


def _flag(kind: str) -> str:
    return f"as_{kind.replace('-', '_')}"


def _asked(known: Mapping[str, PackageKind], given: Mapping[str, Any]) -> str:
    asked = [name for name in known if given[_flag(name)]]
    if len(asked) != 1:
        ways = " or ".join(f"edgekit package --{name} ..." for name in known)
        raise UsageError(f"Say what to make of the bundle, one form at a time: {ways}")
    return asked[0]


def _request(
    known: Mapping[str, PackageKind],
    name: str,
    bundle: Path,
    given: Mapping[str, Any],
    *,
    quiet: bool,
) -> PackageRequest:
    """The request with the kind's own options; raises `UsageError` for another kind's."""
    from edgekit.store import Store

    own = {option.name for option in known[name].options}
    others = {option.name for kind in known.values() for option in kind.options} - own
    for other in sorted(others):
        if given[other] not in (None, False):
            raise UsageError(
                f"--{other.replace('_', '-')} is not an option of --{name}. Leave it out."
            )
    return PackageRequest(
        bundle=bundle,
        options={option: given[option] for option in own},
        store=Store(),
        progress=Bars(err_console, silent=quiet),
    )


def _table(one: Packaged) -> Table:
    table = Table(box=None, title=escape(one.title), title_justify="left")
    table.add_column("part")
    table.add_column("MiB unpacked", justify="right")
    large = {part: size for part, size in one.parts_bytes.items() if size >= _MB}
    small = sum(one.parts_bytes.values()) - sum(large.values())
    rows = {**large, "everything smaller": small, **one.totals_bytes}
    for part, size in rows.items():
        table.add_row(escape(part), f"{size / _MB:.1f}")
    table.caption, table.caption_justify = escape(one.note), "left"
    return table
