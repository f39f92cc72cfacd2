"""A line of text or of speech: symbols from frames, by connectionist temporal classification.

Graves et al., 2006. Class 0 is the blank, as in PyTorch's loss. Where one of `[task] classes` is a
space (" " or "|"), words are counted, too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from edgekit.errors import DataError
from edgekit.tasks import TaskDefinition, losses, scores, targets
from edgekit.tasks.scores import Metric, Outputs, counted
from edgekit.tasks.targets import Targets
from edgekit.types import Evaluation, TaskSpec

_BLANK = 0
_SURROGATES, _SURROGATES_END = 0xD800, 0xE000
_SPACES = (" ", "|")
"""Names of the symbol between words; the second is that of wav2vec 2.0."""
_BEYOND = 0x10000
"""The first of the characters among which none is a space."""


def _hard(student: Tensor, targets: Tensor) -> Tensor:
    """The loss over the symbols of each target: logits (batch, classes, frames) and targets
    (batch, length) to losses (batch,)."""
    lengths = (targets >= 0).sum(1)
    frames = student.new_full((len(student),), student.shape[2]).long()
    found = F.ctc_loss(
        student.log_softmax(1).permute(2, 0, 1),
        targets.clamp(min=0),
        frames,
        lengths,
        blank=_BLANK,
        reduction="none",
        zero_infinity=True,
    )
    return found / lengths.clamp(min=1)


def decode(outputs: Outputs) -> list[tuple[int, ...]]:
    """The best path of each sample: outputs (n, frames, classes) to symbols, repetitions merged
    and blanks left out."""
    best = outputs.argmax(-1)
    new = np.ones(best.shape, bool)
    new[:, 1:] = best[:, 1:] != best[:, :-1]
    kept = new & (best != _BLANK)
    return [tuple(row[mask].tolist()) for row, mask in zip(best, kept, strict=True)]


def _pairs(
    outputs: Outputs, targets: Targets
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    known = (targets >= 0).any(1)
    if not known.any():
        raise DataError(
            "The evaluation data have no labels. Point [data] test at some."
        )
    right = [tuple(row[row >= 0].tolist()) for row in targets[known]]
    return decode(outputs[known]), right


def symbol_error_rate(outputs: Outputs, targets: Targets) -> Evaluation:
    """Insertions, deletions and substitutions over the number of symbols: the character error
    rate where symbols are characters."""
    from torchmetrics.functional.text import char_error_rate

    found, right = _pairs(outputs, targets)
    value = char_error_rate([*map(_text, found)], [*map(_text, right)])
    return Evaluation(
        metric="symbol error rate",
        value=float(value),
        samples=len(right),
        higher_is_better=False,
    )


def word_error_rate(spaces: Collection[int]) -> Metric:
    """Insertions, deletions and substitutions over the number of words, between the symbols
    `spaces`."""

    def text(symbols: Sequence[int]) -> str:
        return "".join(" " if n in spaces else chr(_BEYOND + n) for n in symbols)

    def score(outputs: Outputs, targets: Targets) -> Evaluation:
        from torchmetrics.functional.text import word_error_rate as rate

        found, right = _pairs(outputs, targets)
        value = rate([*map(text, found)], [*map(text, right)])
        return Evaluation(
            metric="word error rate",
            value=float(value),
            samples=len(right),
            higher_is_better=False,
        )

    return score


def sequence_accuracy(outputs: Outputs, targets: Targets) -> Evaluation:
    """Fraction of samples without an error."""
    found, right = _pairs(outputs, targets)
    same = np.array([one == other for one, other in zip(found, right, strict=True)])
    return counted("sequence accuracy", same, samples=len(right))


def _text(symbols: tuple[int, ...]) -> str:
    """A character a symbol, none of the surrogates."""
    gap = _SURROGATES_END - _SURROGATES
    return "".join(chr(n if n < _SURROGATES else n + gap) for n in symbols)


def _fits(shape: tuple[int, ...], targets: Targets) -> str | None:
    frames, classes = shape[1:]
    if targets.ndim != 2:
        return (
            f"The data have targets of shape {list(targets.shape)}. Give the symbols of a sample "
            "in a row, (n, length), -1 behind the last."
        )
    if targets.max() >= classes or (targets == _BLANK).any():
        odd = _BLANK if (targets == _BLANK).any() else int(targets.max())
        return (
            f"The data have the symbol {odd}, and the network has the symbols 1 to "
            f"{classes - 1}; 0 is the blank. Correct the targets or [model] source."
        )
    longest = int((targets >= 0).sum(1).max())
    if longest > frames:
        return (
            f"The data have a target of {longest} symbols, and the network returns {frames} "
            "frames, one symbol each at most. Give longer inputs or shorter targets."
        )
    return None


def _of_words(task: TaskSpec) -> TaskDefinition:
    """The kind with its metric of words, where the classes have a space."""
    spaces = [n for n, name in enumerate(task.classes or ()) if name in _SPACES]
    if not spaces:
        return RECORD
    more = {"word-error-rate": word_error_rate(spaces)}
    return replace(RECORD, metrics={**RECORD.metrics, **more})


RECORD = TaskDefinition(
    targets=targets.TargetFormat(
        read=targets.ClassMaps(each="symbol", dimensions=2, ignored=-100)
    ),
    losses=losses.TaskLosses(
        soft=losses.soft_targets,
        hard=_hard,
        known=losses.class_known,
        arrange=losses.classes_second,
        restore=losses.classes_last,
    ),
    metrics={
        "symbol-error-rate": symbol_error_rate,
        "sequence-accuracy": sequence_accuracy,
    },
    dimensions=3,
    output="logits, (batch, frames, classes), the blank first",
    link="softmax",
    fits=_fits,
    by_spec=_of_words,
    agreement=lambda outputs, others: scores.same_decisions(outputs, others, -1),
    shifts=False,
)
