"""`edgekit decoder`: decoders that generate text, cut, distilled, exported and measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from edgekit.commands.console import (
    Bars,
    Json,
    Quiet,
    err_console,
    figure,
    out_console,
    plain,
)
from edgekit.errors import UsageError

if TYPE_CHECKING:
    from edgekit.decoders.block_costs import Setting
    from edgekit.decoders.trial import SpeedJob

app = typer.Typer(help="Cut, distill, export and measure decoders that generate text.")

Source = Annotated[
    Path,
    typer.Argument(help="A Hugging Face folder: config.json, safetensors, tokenizer."),
]
Texts = Annotated[
    list[Path],
    typer.Option(
        "--text", help="Your text: a file, or a folder with .txt in it. Repeatable."
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="The new folder.")]
Length = Annotated[
    int, typer.Option("--length", help="Tokens in a row of text.", min=8)
]
Rows = Annotated[int, typer.Option("--rows", help="Most rows of text.", min=2)]
Runtime = Annotated[
    str,
    typer.Option(
        "--runtime", "-r", help="openvino-genai, onnxruntime-genai or llama.cpp."
    ),
]
Threads = Annotated[int, typer.Option("--threads", help="Of the runtime.", min=1)]


@app.command("cut")
def decoder_cut(  # noqa: PLR0913 - a command's options
    source: Source,
    text: Texts,
    out: Out,
    depth: Annotated[float, typer.Option(help="Fraction of the blocks to cut.")] = 0.0,
    mlp: Annotated[float, typer.Option(help="Fraction of each MLP to cut.")] = 0.0,
    heads: Annotated[
        float, typer.Option(help="Fraction of the key-value heads to cut.")
    ] = 0.0,
    budget: Annotated[
        list[str] | None,
        typer.Option(
            help="Instead of fractions: tokens_per_s, ttft_ms, memory_mb or size_mb = NUMBER, on "
            "the runtime with weights of four bits. Repeatable.",
            show_default="none",
        ),
    ] = None,
    runtime: Runtime = "openvino-genai",
    threads: Threads = 1,
    length: Length = 256,
    rows: Rows = 64,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Cut the blocks, MLP units and key-value heads that matter least on your text.

    One block's weights are in memory at a time. For a budget, folders of three sizes are timed on
    the runtime. The cut decoder is untrained: distill it.

        edgekit decoder cut smollm --text notes --depth 0.25 --out smollm-cut
        edgekit decoder cut smollm --text notes --budget tokens_per_s=1 --out smollm-fast
    """
    from edgekit.decoders import shrink

    if (depth + mlp + heads > 0) == bool(budget):
        raise UsageError(
            "Name either fractions (--depth, --mlp, --heads) or a budget (--budget NAME=NUMBER)."
        )
    request = shrink.CutRequest(
        source=source,
        texts=shrink.Texts(files=tuple(text), length=length, rows=rows),
        depth=depth,
        mlp=mlp,
        heads=heads,
        budget=shrink.parse_budget(budget or ()),
        setting=_setting(runtime, threads),
    )
    found = shrink.cut(request, out, Bars(err_console, silent=quiet or as_json))
    if as_json:
        print(json.dumps(plain(found), indent=2))
    elif not quiet:
        out_console.print(found.line(), highlight=False)
        out_console.print(
            f"Next: edgekit decoder distill {out} --teacher {source} --text ...",
            highlight=False,
        )


@app.command("trim")
def decoder_trim(
    source: Source,
    text: Texts,
    out: Out,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Keep only the tokens of your text in the vocabulary.

    Bytes and special tokens stay, so that any text can be read and written; text of kept tokens is
    split as before. Rows of the embedding and the head go: trim before you cut.

        edgekit decoder trim smollm --text notes --out smollm-trimmed
    """
    from edgekit.decoders import shrink

    shown = Bars(err_console, silent=quiet or as_json)
    found = shrink.trim(source, text, out, shown)
    if as_json:
        print(json.dumps(plain(found), indent=2))
    elif not quiet:
        out_console.print(found.line(), highlight=False)


@app.command("distill")
def decoder_distill(  # noqa: PLR0913 - a command's options
    source: Annotated[Path, typer.Argument(help="A folder that edgekit cut.")],
    text: Texts,
    out: Out,
    teacher: Annotated[Path, typer.Option(help="The uncut folder.")],
    steps: Annotated[int, typer.Option(help="Batches to train on.", min=1)] = 500,
    minutes: Annotated[
        float | None, typer.Option(help="Most time.", show_default="none")
    ] = None,
    batch: Annotated[int, typer.Option(help="Rows in a batch.", min=1)] = 8,
    learning_rate: Annotated[float, typer.Option(help="The highest.")] = 3e-4,
    lora: Annotated[
        int | None,
        typer.Option(
            help="Train adapters of this rank, which the weights take up at the end.",
            min=1,
            show_default="none: all weights are trained",
        ),
    ] = None,
    length: Length = 256,
    rows: Rows = 4096,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a cut decoder to answer as the uncut one does, on your text.

    Both are in memory in float32, with gradients and the optimizer's state of what is trained.

        edgekit decoder distill smollm-cut --teacher smollm --text notes --minutes 60 --out small
        edgekit decoder distill smollm-cut --teacher smollm --text notes --lora 16 --out lora
    """
    from edgekit.decoders import shrink
    from edgekit.decoders.recovery import RecoverySpec

    spec = RecoverySpec(
        steps=steps,
        batch_size=batch,
        learning_rate=learning_rate,
        minutes=minutes,
        lora_rank=lora,
    )
    texts = shrink.Texts(files=tuple(text), length=length, rows=rows)
    shown = Bars(err_console, silent=quiet or as_json)
    found = shrink.distill(source, teacher, texts, spec, out, shown)
    if as_json:
        print(json.dumps(plain(found), indent=2))
    elif not quiet:
        out_console.print(found.line(), highlight=False)


@app.command("export")
def decoder_export(  # noqa: PLR0913 - a command's options
    source: Source,
    out: Out,
    runtime: Runtime = "openvino-genai",
    bits: Annotated[
        int,
        typer.Option(help="Of the weights: 32, 16, 8 or 4; not each runtime has all."),
    ] = 4,
    text: Annotated[
        list[Path] | None,
        typer.Option(
            "--text",
            help="Your text, on which the group size of four-bit weights is chosen. Repeatable.",
            show_default="none: groups of 64, on llama.cpp of 32",
        ),
    ] = None,
    threads: Threads = 1,
    length: Length = 256,
    rows: Rows = 16,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the folder that a runtime generates from.

        edgekit decoder export smollm --runtime openvino-genai --text notes --out smollm-openvino

    It has the tokenizer and the chat template, too.
    """
    from edgekit.decoders import artifact_choice, decoder, token_rows
    from edgekit.decoders.engines import registry
    from edgekit.decoders.engines.protocol import WeightFormat, four_bits

    opened = decoder.read(source)
    if bits == 4 and text:
        given = token_rows.read(source, text, length=length, limit=rows)
        found = artifact_choice.export_int4(
            opened, runtime, given, out, threads=threads
        )
    else:
        weights = WeightFormat(bits=bits)
        if bits == 4:
            weights = four_bits(registry.named(runtime))
        found = artifact_choice.export(opened, runtime, weights, out)
    if as_json:
        print(json.dumps({**plain(found), "size_mb": found.size_mb}, indent=2))
    elif not quiet:
        for size, perplexity in found.tried:
            out_console.print(f"groups of {size}: perplexity {perplexity:.4g}")
        out_console.print(
            f"{found.weights.label} for {runtime}: {found.size_mb:.4g} MB in {out}",
            highlight=False,
        )


@app.command("bench")
def decoder_bench(  # noqa: PLR0913 - a command's options
    folders: Annotated[list[Path], typer.Argument(help="Folders of a runtime.")],
    runtime: Runtime = "openvino-genai",
    prompt: Annotated[int, typer.Option(help="Tokens of the prompt.", min=1)] = 128,
    tokens: Annotated[int, typer.Option(help="Tokens to generate.", min=2)] = 64,
    repeats: Annotated[int, typer.Option(help="Timed generations.", min=1)] = 5,
    threads: Threads = 1,
    as_json: Json = False,
) -> None:
    """Time generation on a runtime, each folder in a process of its own.

        edgekit decoder bench smollm-openvino --runtime openvino-genai

    The tokens of the prompt mean nothing: the time depends on their number alone.
    """
    from edgekit.decoders import trial

    speed = _speed(prompt, tokens, repeats)
    found = {
        folder: trial.measure(
            trial.Job(engine=runtime, folder=folder, threads=threads, speed=speed)
        )
        for folder in folders
    }
    if as_json:
        print(json.dumps([{"folder": str(f), **plain(t)} for f, t in found.items()]))
        return
    out_console.print(_table([(str(folder), each) for folder, each in found.items()]))


def _table(rows: Sequence[tuple[str, Any]]) -> Table:
    table = Table("Folder", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("First token", "Tokens a second", "Peak memory"):
        table.add_column(heading, justify="right")
    for name, each in rows:
        table.add_row(
            name,
            figure(each.ttft_ms, "ms"),
            f"{each.tokens_per_s:.4g}",
            figure(each.peak_mib, "MiB"),
        )
    return table


def _speed(prompt: int, tokens: int, repeats: int) -> SpeedJob:
    """Generations from a prompt of token numbers that every vocabulary has."""
    from edgekit.decoders.trial import SpeedJob

    return SpeedJob(
        prompt=[5 + i % 50 for i in range(prompt)], count=tokens, repeats=repeats
    )


def _setting(runtime: str, threads: int) -> Setting:
    from edgekit.decoders.block_costs import Setting
    from edgekit.decoders.engines import registry
    from edgekit.decoders.engines.protocol import four_bits

    return Setting(
        engine=runtime,
        weights=four_bits(registry.named(runtime)),
        threads=threads,
        speed=_speed(128, 32, 3),
    )
