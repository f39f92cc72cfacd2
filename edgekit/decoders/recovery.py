"""Distills an uncut decoder into a cut one, on the user's text.

The student learns the teacher's distribution of each next token (KL divergence), the text itself,
and the direction of the teacher's hidden states behind the blocks that stayed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from edgekit.decoders import folder_writer
from edgekit.decoders.decoder import Decoder, block_prefix, read
from edgekit.errors import ModelError, RuntimeMissing, TrainingError
from edgekit.progress import Progress, Silent
from edgekit.safe_io import reading
from edgekit.sources.huggingface.network import offline

_WARM_UP = 0.05
_LOWEST_RATE = 0.05
_CLIP = 1.0


@dataclass(frozen=True, kw_only=True)
class RecoverySpec:
    """The length and rate of a training."""

    steps: int = 500
    batch_size: int = 8
    learning_rate: float = 3e-4
    text_weight: float = 0.5
    """Of the loss on the text itself, beside the teacher's distribution."""
    hidden_weight: float = 1.0
    """Of the loss on hidden states."""
    minutes: float | None = None
    """Most time; the learning rate falls with the time as it does with the steps."""
    lora_rank: int | None = None
    """Of the adapters of linear layers that are trained instead of the weights."""
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A cut decoder and the one that it was cut from."""

    student: Decoder
    teacher: Decoder
    kept: Sequence[int]
    """The teacher's blocks that the student has."""


def recover(
    pair: Pair,
    tokens: Tensor,
    spec: RecoverySpec,
    out: Path,
    progress: Progress | None = None,
) -> Decoder:
    """Train the student in float32 on rows of tokens (rows, length), and write its folder.

    Both networks, gradients and the optimizer's state are in memory. Adapters are merged into the
    weights at the end. Raises `TrainingError` for a loss that is not finite, `OutputError` where
    `out` has files in it, `RuntimeMissing` for adapters without peft.
    """
    folder_writer.check_free(out)
    student, teacher = load(pair.student).train(), load(pair.teacher)
    if spec.lora_rank is not None:
        student = adapted(student, spec.lora_rank)
    weights = [p for p in student.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        weights, spec.learning_rate, betas=(0.9, 0.95), weight_decay=0.0
    )
    with (progress or Silent()).step("Distilling") as step:
        for done, rows in _batches(tokens, spec):
            for group in optimizer.param_groups:
                group["lr"] = spec.learning_rate * rate(done)
            value = loss(student, teacher, pair.kept, rows, spec)
            if not value.isfinite():
                raise TrainingError(
                    f"The loss is {value.item()} after {done:.0%} of the training. Lower the "
                    f"learning rate, which is {spec.learning_rate:g}."
                )
            optimizer.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(weights, _CLIP)
            optimizer.step()
            step.update(round(done * 100), 100, f"loss {value.item():.3f}")
    if spec.lora_rank is not None:
        student = student.merge_and_unload()
    return save(student, pair.student, out)


def adapted(network: Any, rank: int) -> Any:
    """The network with an adapter of that rank in each linear layer but the head, and frozen
    weights. Raises `RuntimeMissing` without peft."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError:
        raise RuntimeMissing(
            "Adapters (LoRA) need peft: pip install 'edgekit[genai]'."
        ) from None
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    return get_peft_model(network, config)


def load(decoder: Decoder) -> Any:
    """The network of transformers in float32, for evaluation."""
    from transformers import AutoModelForCausalLM

    with reading(decoder.folder, ModelError, kind="a decoder"), offline():
        return AutoModelForCausalLM.from_pretrained(
            str(decoder.folder),
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        ).eval()


def loss(
    student: Any,
    teacher: Any,
    kept: Sequence[int],
    rows: Tensor,
    spec: RecoverySpec,
) -> Tensor:
    """The training objective on rows of tokens, a mean over them."""
    with torch.no_grad():
        expected = teacher(rows, use_cache=False, output_hidden_states=True)
    found = student(rows, use_cache=False, output_hidden_states=True)
    ours, theirs = (
        each.logits.flatten(0, 1).log_softmax(-1) for each in (found, expected)
    )
    value = F.kl_div(ours, theirs, reduction="batchmean", log_target=True)
    predicted = found.logits[:, :-1].flatten(0, 1)
    value = value + spec.text_weight * F.cross_entropy(predicted, rows[:, 1:].flatten())
    # The states behind the last block are normed, and decide the logits.
    pairs = [
        (found.hidden_states[place + 1], expected.hidden_states[index + 1])
        for place, index in enumerate(kept[:-1])
    ]
    apart = [1 - F.cosine_similarity(a, b, dim=-1).mean() for a, b in pairs]
    if apart:
        value = value + spec.hidden_weight * torch.stack(apart).mean()
    return value


def rate(done: float) -> float:
    """The learning rate as a fraction of its highest, after a fraction of the training."""
    if done < _WARM_UP:
        return (done + 1e-3) / (_WARM_UP + 1e-3)
    falling = (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP))) / 2
    return _LOWEST_RATE + (1 - _LOWEST_RATE) * falling


def save(network: Any, decoder: Decoder, out: Path) -> Decoder:
    """Write the network's weights in float32 as a folder like that of `decoder`."""
    weights = {n: t for n, t in network.state_dict().items() if n in decoder.shapes}
    config = {k: v for k, v in decoder.config.items() if k != "torch_dtype"}

    def shards() -> Iterator[dict[str, Tensor]]:
        starts = [block_prefix(index) for index in range(decoder.blocks)]
        yield {n: t for n, t in weights.items() if not n.startswith(tuple(starts))}
        for start in starts:
            yield {n: t for n, t in weights.items() if n.startswith(start)}

    config["dtype"] = "float32"
    folder_writer.write(out, config, shards(), files_of=decoder.folder)
    return read(out)


def _batches(tokens: Tensor, spec: RecoverySpec) -> Iterator[tuple[float, Tensor]]:
    """Batches of rows in random order, each with the fraction of the training that is done."""
    generator = torch.Generator().manual_seed(spec.seed)
    limit = math.inf if spec.minutes is None else spec.minutes * 60
    began = monotonic()
    for number in range(spec.steps):
        done = max(number / spec.steps, (monotonic() - began) / limit)
        if done >= 1:
            return
        # Without replacement within a batch; passes over the text do not matter to a mean.
        chosen = torch.randperm(len(tokens), generator=generator)[: spec.batch_size]
        yield done, tokens[chosen]
