"""`edgekit package`: a bundle as an image for its device."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from edgekit.arguments import check_image
from edgekit.commands.console import (
    Bars,
    Json,
    Quiet,
    err_console,
    out_console,
    plain,
)
from edgekit.errors import UsageError

_MB = 2**20


def package(  # noqa: PLR0913 - a command's options
    bundle: Annotated[Path, typer.Argument(help="Folder that `edgekit build` left.")],
    docker: Annotated[
        bool, typer.Option("--docker", help="As Docker images, one for each platform.")
    ] = False,
    platform: Annotated[
        list[str] | None,
        typer.Option(
            help="linux/amd64, linux/arm64 or linux/arm/v7 (may be repeated), or all.",
            show_default="the target's",
        ),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            help="Runtime in the image.", show_default="the chosen artifact's"
        ),
    ] = None,
    tag: Annotated[
        str | None,
        typer.Option(
            help="Name of the images; each gets its architecture for a suffix.",
            show_default="edgekit/PROJECT:RUNTIME",
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="Base image; `debian` makes one here from Debian packages.",
            show_default="the Dockerfile's",
        ),
    ] = None,
    contexts: Annotated[
        Path | None,
        typer.Option(
            help="Only write the build contexts into this folder, for `docker buildx bake`."
        ),
    ] = None,
    push: Annotated[
        bool,
        typer.Option("--push", help="Push the images, and a list over all platforms."),
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Package a bundle for its device: the models, one runtime, numpy and the agent.

    What is in the image answers `infer`, `bench`, `info` and `serve`. Nothing runs during the
    build, so that images for ARM are built anywhere; the same bundle gives the same layers.

        edgekit package --docker build/raspberrypi
        docker run --rm -i IMAGE infer < image.png
    """
    from edgekit.package.docker import docker as images
    from edgekit.package.docker.engine import Engine
    from edgekit.store import Store

    if not docker:
        raise UsageError("Say what to make of the bundle: edgekit package --docker ...")
    if push and not tag:
        raise UsageError("--push needs --tag REGISTRY/NAME:VERSION.")
    if push and platform == [images.EVERY]:
        raise UsageError(
            "A list holds one image a platform: name the platforms to --push."
        )
    for option, value in (("--tag", tag), ("--base", base)):
        if value is not None:
            check_image(value, option, UsageError)
    order = images.Order(
        bundle=bundle,
        platforms=tuple(platform or ()),
        runtime=_known(runtime),
        tag=tag,
        base=base,
    )
    shown = Bars(err_console, silent=quiet)
    if contexts is not None:
        folders = images.contexts(order, contexts, Store(), shown)
        if as_json:
            print(json.dumps([str(folder) for folder in folders], indent=2))
        elif not quiet:
            for folder in folders:
                out_console.print(f"  {folder}/", highlight=False)
        return
    engine = Engine.find()
    built = images.package(order, Store(), shown, engine)
    show(built, as_json=as_json, quiet=quiet)
    if push and tag:
        digest = images.push(built, tag, engine)
        if not quiet:
            err_console.print(f"Pushed {tag} ({digest})", highlight=False)


def show(built: Sequence[Any], *, as_json: bool, quiet: bool) -> None:
    """Images with what they weigh, part by part."""
    if as_json:
        rows = [
            {**plain(one), "beyond_base_bytes": one.beyond_base_bytes} for one in built
        ]
        print(json.dumps(rows, indent=2))
    elif not quiet:
        for one in built:
            out_console.print(_table(one))


def _table(one: Any) -> Table:
    table = Table(box=None, title=f"{one.tag}  {one.platform}", title_justify="left")
    table.add_column("part")
    table.add_column("MiB unpacked", justify="right")
    large = {part: size for part, size in one.parts_bytes.items() if size >= _MB}
    small = sum(one.parts_bytes.values()) - sum(large.values())
    for part, size in large.items():
        table.add_row(escape(part), f"{size / _MB:.1f}")
    table.add_row("everything smaller", f"{small / _MB:.1f}")
    table.add_row("beyond the base", f"{one.beyond_base_bytes / _MB:.1f}")
    table.add_row(f"base {escape(one.base)}", f"{one.base_bytes / _MB:.1f}")
    table.caption, table.caption_justify = escape(one.trial), "left"
    return table


def _known(runtime: str | None) -> Any:
    from edgekit.runtimes import registry

    return None if runtime is None else registry.get(runtime).name
