"""Exports a decoder for a runtime, with the group size of four-bit weights by perplexity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from edgekit import scratch
from edgekit.decoders import folder_writer, trial
from edgekit.decoders.decoder import Decoder
from edgekit.decoders.engines import registry
from edgekit.decoders.engines.protocol import WeightFormat
from edgekit.errors import UsageError

TOLERANCE = 0.01
"""The largest group size whose perplexity is within this fraction of the best is taken."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """A runtime's folder."""

    folder: Path
    engine: str
    weights: WeightFormat
    perplexity: float | None
    """On the rows that chose the group size; `None` where nothing was chosen."""
    tried: tuple[tuple[int, float], ...] = ()
    """Each group size with its perplexity."""

    @property
    def size_mb(self) -> float:
        """Of all files, in 10^6 bytes."""
        return (
            sum(f.stat().st_size for f in self.folder.rglob("*") if f.is_file()) / 1e6
        )


def export(decoder: Decoder, engine: str, weights: WeightFormat, out: Path) -> Export:
    """Write the folder of a runtime, whole or not at all.

    Raises `UsageError` for a format that the runtime does not write, `RuntimeMissing`,
    `ArtifactError` and `OutputError`.
    """
    chosen = registry.engine(engine)
    if weights.bits not in chosen.bits:
        listed = ", ".join(map(str, chosen.bits))
        raise UsageError(
            f"{engine} does not write weights of {weights.bits} bits. It writes {listed}."
        )
    with folder_writer.new_folder(out) as made:
        chosen.export(decoder, made, weights)
    return Export(folder=out, engine=engine, weights=weights, perplexity=None)


def export_int4(
    decoder: Decoder,
    engine: str,
    rows: Tensor,
    out: Path,
    *,
    threads: int,
    group_sizes: Sequence[int] = (),
) -> Export:
    """Write the folder with four-bit weights, in the group size that costs least quality.

    Each of `group_sizes`, by default the runtime's, that divides the widths is exported and its
    perplexity measured on `rows` by the runtime; of those within `TOLERANCE` of the best, the
    largest is kept.
    """
    widths = (decoder.parsed.hidden_size, decoder.mlp_width)
    offered = group_sizes or registry.named(engine).group_sizes
    sizes = [size for size in offered if not any(w % size for w in widths)]
    if not sizes:
        raise UsageError(
            f"No group size of {', '.join(map(str, offered))} divides the widths "
            f"{widths[0]} and {widths[1]}."
        )
    found: dict[int, float] = {}
    with folder_writer.new_folder(out) as made, scratch.folder(out.parent) as work:
        for size in sizes:
            weights = WeightFormat(bits=4, group_size=size)
            one = export(decoder, engine, weights, work / str(size))
            found[size] = _perplexity(one, rows, threads)
        chosen = choose(found)
        for file in (work / str(chosen)).iterdir():
            file.rename(made / file.name)
    return Export(
        folder=out,
        engine=engine,
        weights=WeightFormat(bits=4, group_size=chosen),
        perplexity=found[chosen],
        tried=tuple(found.items()),
    )


def _perplexity(one: Export, rows: Tensor, threads: int) -> float:
    job = trial.Job(
        engine=one.engine, folder=one.folder, threads=threads, rows=rows.tolist()
    )
    return trial.measure(job).perplexity or math.inf


def choose(perplexities: dict[int, float]) -> int:
    """The largest group size within `TOLERANCE` of the best perplexity."""
    most = min(perplexities.values()) * (1 + TOLERANCE)
    return max(size for size, found in perplexities.items() if found <= most)
