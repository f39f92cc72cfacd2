"""Checkpoints and stored outputs, and damage to them."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from torch import Tensor

from edgekit.distill.checkpoint import State
from edgekit.distill.kept_outputs import CHUNK, KeptOutputs

COUNT = 2 * CHUNK + 40
EXAMPLE = torch.zeros(1, 5)


def damaged(files: list[Path], seed: int) -> bool:
    """Return whether one of the files was changed."""
    draw = random.Random(seed)
    victim = draw.choice(files)
    before = victim.read_bytes()
    data = bytearray(before)
    at = draw.randrange(len(data))
    kind = seed % 7
    if kind == 0:
        data[at] ^= 1 << draw.randrange(8)
    elif kind == 1:
        data[at : at + 16] = draw.randbytes(len(data[at : at + 16]))
    elif kind == 2:
        del data[at:]
    elif kind == 3:
        page = at // 4096 * 4096
        data[page : page + 4096] = bytes(len(data[page : page + 4096]))
    elif kind == 4:
        data.clear()
    elif kind == 5:
        data += draw.randbytes(100)
    else:
        alike = [f for f in files if f.name == victim.name and f != victim]
        data = bytearray(draw.choice(alike or [victim]).read_bytes())
    victim.write_bytes(data)
    return bytes(data) != before


def answers(seed: int) -> Tensor:
    return torch.randn(COUNT, 5, generator=torch.Generator().manual_seed(seed))


def filled(folder: Path, seed: int) -> tuple[KeptOutputs, int]:
    """All answers of a teacher, and how many shards were computed for them."""
    kept = KeptOutputs(folder, COUNT, EXAMPLE)
    missing = kept.missing()
    for number in missing:
        kept.keep(number, answers(seed)[kept.samples(number)])
    return kept, len(missing)


# --- checkpoints ------------------------------------------------------------------------------


def state(seed: int) -> State:
    weights = torch.randn(64, generator=torch.Generator().manual_seed(seed))
    return {"epochs": [{"number": seed}], "trainer": {"weights": weights}}
