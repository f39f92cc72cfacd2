"""A check of every runtime: the text of PyTorch, and its likelihood."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from edgekit.decoders import decoder, streaming, trial
from edgekit.decoders.artifact_choice import export
from edgekit.decoders.engines.protocol import WeightFormat
from edgekit.decoders.trial import Job, SpeedJob
from tests.unit.decoders import folders


def greedy(network: Any, prompt: list[int], count: int) -> list[int]:
    """The likeliest tokens one after the other, by PyTorch."""
    ids = list(prompt)
    for _ in range(count):
        logits = folders.logits(network, torch.tensor([ids]))[0, -1]
        ids.append(int(logits.argmax()))
    return ids[len(prompt) :]


def check_same_text(engine: str, folder: Path, out: Path) -> None:
    """The folder of the runtime generates the text of PyTorch, and finds text as likely."""
    opened = decoder.read(folder)
    found = export(opened, engine, WeightFormat(), out)
    prompt = folders.tokens(rows=1, length=12)[0].tolist()
    rows = folders.tokens(rows=3)
    speed = SpeedJob(prompt=prompt, count=24, repeats=2)
    done = trial.measure(
        Job(
            engine=engine,
            folder=found.folder,
            threads=1,
            exact=True,
            speed=speed,
            rows=rows.tolist(),
        )
    )
    expected = greedy(folders.load(folder), prompt, 24)
    # A runtime that never gives the end of the text differs from there.
    end = expected.index(2) if 2 in expected else len(expected)
    assert list(done.tokens[:end]) == expected[:end]
    assert len(done.tokens) == 24
    assert done.perplexity == pytest.approx(
        streaming.perplexity(opened, rows), rel=1e-3
    )
    assert done.ttft_ms is not None and done.tokens_per_s is not None
    assert done.ttft_ms > 0 and math.isfinite(done.tokens_per_s)
    assert done.peak_mib is None or done.peak_mib > 10
    assert (out / "tokenizer.json").is_file()
