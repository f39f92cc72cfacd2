"""From a folder and the user's text to a smaller folder: the steps of `edgekit decoder`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from torch import Tensor

from edgekit.decoders import (
    block_costs,
    block_importance,
    decoder,
    decoder_cut,
    decoder_plan,
    folder_cut,
    folder_trim,
    folder_writer,
    recovery,
    streaming,
    token_rows,
)
from edgekit.decoders.block_costs import GenerationBudget, Setting
from edgekit.decoders.block_importance import Importance
from edgekit.decoders.decoder import Decoder
from edgekit.decoders.decoder_cut import DecoderCut, Sizes
from edgekit.decoders.recovery import Pair, RecoverySpec
from edgekit.errors import UsageError
from edgekit.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Texts:
    """The user's text, and how it becomes rows of tokens."""

    files: tuple[Path, ...]
    length: int
    rows: int
    """At most."""

    def read(self, folder: Path) -> tuple[Tensor, Tensor]:
        """Rows to train on and rows to measure on, by the tokenizer in `folder`."""
        found = token_rows.read(folder, self.files, length=self.length, limit=self.rows)
        return token_rows.split(found)


@dataclass(frozen=True, kw_only=True)
class CutRequest:
    """What to cut: fractions, or a budget for a runtime."""

    source: Path
    texts: Texts
    depth: float = 0.0
    mlp: float = 0.0
    heads: float = 0.0
    budget: GenerationBudget | None = None
    setting: Setting | None = None
    """Of the timing that a budget is planned by."""


@dataclass(frozen=True, kw_only=True)
class Shrunk:
    """A smaller folder, with perplexities on held-out text."""

    folder: Path
    before: Sizes
    after: Sizes
    kept: tuple[int, ...]
    """The numbers of the blocks that stayed."""
    perplexity_uncut: float
    perplexity: float

    def line(self) -> str:
        """The result as a sentence."""
        return (
            f"Blocks {self.before.blocks} to {self.after.blocks}, MLP width "
            f"{self.before.mlp_width} to {self.after.mlp_width}, key-value heads "
            f"{self.before.groups} to {self.after.groups}. Perplexity on held-out text: "
            f"{self.perplexity_uncut:.4g} uncut, {self.perplexity:.4g} in {self.folder}."
        )


@dataclass(frozen=True, kw_only=True)
class Trimmed:
    """A folder of a smaller vocabulary."""

    folder: Path
    tokens_before: int
    tokens_after: int
    size_mb_before: float
    """Of the weights, in 10^6 bytes."""
    size_mb: float

    def line(self) -> str:
        """The result as a sentence."""
        return (
            f"Vocabulary {self.tokens_before} to {self.tokens_after} tokens, weights "
            f"{self.size_mb_before:.4g} to {self.size_mb:.4g} MB in {self.folder}."
        )


def parse_budget(items: Sequence[str]) -> GenerationBudget | None:
    """Limits written as NAME=NUMBER; `None` without any. Raises `UsageError` for others."""
    known = [field.name for field in fields(GenerationBudget)]
    found: dict[str, float] = {}
    for item in items:
        name, _, value = item.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = 0.0
        if name not in known or not 0 < found[name] < float("inf"):
            raise UsageError(
                f"--budget {item} is not a limit. Write NAME=NUMBER with one of "
                f"{', '.join(known)}, and a number above 0."
            )
    return GenerationBudget(**found) if found else None


def cut(request: CutRequest, out: Path, progress: Progress) -> Shrunk:
    """Write the cut folder. Raises `ModelError`, `DataError`, `UsageError`, `OutputError`, and
    `BudgetInfeasible` where no sizes keep the budget."""
    folder_writer.check_free(out)
    opened = decoder.read(request.source)
    train, held_out = request.texts.read(request.source)
    importance = block_importance.measure(opened, train, progress)
    chosen = _chosen(opened, importance, request, held_out, progress)
    small = folder_cut.cut(opened, chosen, out, progress)
    return _shrunk(opened, small, held_out)


def trim(source: Path, texts: Sequence[Path], out: Path, progress: Progress) -> Trimmed:
    """Write the folder with the tokens of the texts. Raises `ModelError`, `DataError` and
    `OutputError`."""
    folder_writer.check_free(out)
    opened = decoder.read(source)
    small = folder_trim.trim(opened, token_rows.used(source, texts), out, progress)
    return Trimmed(
        folder=out,
        tokens_before=opened.shapes[decoder.EMBEDDING][0],
        tokens_after=small.shapes[decoder.EMBEDDING][0],
        size_mb_before=opened.bytes() / 1e6,
        size_mb=small.bytes() / 1e6,
    )


def distill(
    source: Path,
    teacher: Path,
    texts: Texts,
    spec: RecoverySpec,
    out: Path,
    progress: Progress,
) -> Shrunk:
    """Train the cut folder `source` from the uncut `teacher`, and write it to `out`."""
    folder_writer.check_free(out)
    uncut, small = decoder.read(teacher), decoder.read(source)
    kept = folder_cut.kept_blocks(source)
    if len(kept) != small.blocks or max(kept, default=0) >= uncut.blocks:
        raise UsageError(
            f"{source} was not cut from {teacher}: it keeps blocks {list(kept)}, and has "
            f"{small.blocks} of {uncut.blocks}. Name the uncut folder with --teacher."
        )
    _check_vocabularies(small, uncut)
    train, held_out = texts.read(source)
    pair = Pair(student=small, teacher=uncut, kept=kept)
    trained = recovery.recover(pair, train, spec, out, progress)
    return _shrunk(uncut, trained, held_out)


def _check_vocabularies(small: Decoder, uncut: Decoder) -> None:
    tokens, theirs = (each.shapes[decoder.EMBEDDING][0] for each in (small, uncut))
    if tokens != theirs:
        raise UsageError(
            f"{small.folder} has {tokens} tokens and its teacher {theirs}. Trim the uncut folder "
            "first, and cut that one."
        )


def _chosen(
    opened: Decoder,
    importance: Importance,
    request: CutRequest,
    rows: Tensor,
    progress: Progress,
) -> DecoderCut:
    if request.budget is None or request.setting is None:
        sizes = decoder_cut.sizes_after(
            opened, depth=request.depth, mlp=request.mlp, heads=request.heads
        )
        return decoder_cut.choose(opened, importance, sizes)
    costs = block_costs.measure(opened, request.setting, progress)
    found = decoder_plan.plan(opened, importance, costs, request.budget, rows, progress)
    return found.cut


def _shrunk(uncut: Decoder, small: Decoder, rows: Tensor) -> Shrunk:
    return Shrunk(
        folder=small.folder,
        before=decoder_cut.sizes_of(uncut),
        after=decoder_cut.sizes_of(small),
        kept=folder_cut.kept_blocks(small.folder),
        perplexity_uncut=streaming.perplexity(uncut, rows),
        perplexity=streaming.perplexity(small, rows),
    )
