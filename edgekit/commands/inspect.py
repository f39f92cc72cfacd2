"""`edgekit inspect`: the prunable parts of a network, or the metadata of an artifact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from edgekit.commands.console import Folder, Json, Pickle, out_console, plain


def inspect(  # noqa: PLR0913 (one option each)
    source: Annotated[
        str | None,
        typer.Argument(
            help="A network as in [model] source, or an artifact.",
            show_default="edgekit.toml's",
        ),
    ] = None,
    shapes: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            help="Input shape without the batch: 3,224,224, or 128:int64. Repeatable.",
            show_default="edgekit.toml's",
        ),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights of the network.", show_default="none")
    ] = None,
    custom_objects: Annotated[
        Path | None,
        typer.Option(
            help="Python file with a Keras file's own layers.", show_default="none"
        ),
    ] = None,
    folder: Folder = Path(),
    allow_pickle: Pickle = False,
    as_json: Json = False,
) -> None:
    """Show what of a network can be pruned, what it carries, and what stands in the way.

    Of an artifact (.tflite, .onnx, .xml): its inputs, its outputs and the preprocessing of
    samples, from the file's metadata.

        edgekit inspect model.py:build --input 3,224,224
        edgekit inspect model.tflite
    """
    from edgekit.commands import artifact_contract, inspection

    if source is not None and artifact_contract.is_artifact(source):
        contract = artifact_contract.contract_of(Path(source))
        if as_json:
            print(json.dumps(contract, indent=2))
        else:
            artifact_contract.show_contract(source, contract, out_console)
        return

    found = inspection.inspect(
        source,
        inputs=shapes or (),
        weights=weights,
        custom_objects=custom_objects,
        folder=folder,
        allow_pickle=allow_pickle,
    )
    if as_json:
        print(json.dumps(plain(found), indent=2))
    else:
        inspection.show(found, out_console)
