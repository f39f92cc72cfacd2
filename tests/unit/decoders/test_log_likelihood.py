from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from edgekit.decoders.log_likelihood import next_token_nll


def test_it_is_the_cross_entropy_of_the_next_tokens() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 11, generator=generator) * 30
    row = torch.randint(0, 11, (7,), generator=generator)
    expected = F.cross_entropy(logits[:-1].double(), row[1:]).item()
    assert next_token_nll(logits.numpy(), row.tolist()) == pytest.approx(expected)
