"""`edgekit diff`: is the artifact the network, and is it fed as the network was?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from edgekit.commands.console import (
    Address,
    Bars,
    Folder,
    Json,
    Pickle,
    Quiet,
    err_console,
    out_console,
    plain,
)


def diff(  # noqa: PLR0913 - a command's options
    artifact: Annotated[
        Path, typer.Argument(help="A .tflite, .onnx or .xml file, or a bundle.")
    ],
    against: Annotated[
        Path | None,
        typer.Option(
            help="The network, as in [model] source.",
            show_default="the bundle's student, or project's",
        ),
    ] = None,
    folder: Folder = Path(),
    samples: Annotated[
        Path | None,
        typer.Option(
            help="Raw samples: .npy, .npz, .parquet or a folder of images.",
            show_default="the project's test data",
        ),
    ] = None,
    preprocessed: Annotated[
        Path | None,
        typer.Option(
            help="The application's preprocessed input for the first samples, .npy."
        ),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(help="The application's outputs for the first samples, .npy."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Samples to compare on.")] = 32,
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Largest difference of the outputs over their largest number that is allowed.",
            show_default="0.001 in fp32, 0.02 in fp16; in int8, decisions count",
        ),
    ] = None,
    runtime: Annotated[
        str | None, typer.Option(help="Runtime.", show_default="the suffix's")
    ] = None,
    device: Address = "local",
    allow_pickle: Pickle = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare an artifact with its network, layer by layer, and how both are fed.

    Names the first operator that departs from the network, counts what the exporter inserted and
    what runs off the accelerated path, and tries known faults of preprocessing on samples that
    your application prepared. Exit codes: 0 agrees, 5 diverges.

        edgekit diff build/raspberrypi
        edgekit diff model.onnx --against student.pt2 --preprocessed fed.npy
    """
    from edgekit.devices.resolve import attached
    from edgekit.diff.diff import diff as compare
    from edgekit.diff.inputs import Question
    from edgekit.errors import ParityError
    from edgekit.report.diff_words import show, summary

    question = Question(
        artifact=artifact,
        against=against,
        folder=folder,
        samples=samples,
        preprocessed=preprocessed,
        answers=answers,
        count=count,
        tolerance=tolerance,
        runtime=runtime,
        allow_pickle=allow_pickle,
    )
    with attached(device) as there:
        found = compare(question, there, Bars(err_console, silent=quiet))
    if as_json:
        print(json.dumps(plain(found), indent=2))
    elif not quiet:
        show(found, out_console)
    if not found.agrees:
        raise ParityError(summary(found))
