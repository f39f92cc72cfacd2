from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from edgekit.decoders import decoder, streaming
from edgekit.errors import ModelError
from tests.unit.decoders import folders

Written = Callable[[str], Path]


@pytest.mark.parametrize("name", folders.FAMILIES)
def test_hidden_states_are_those_of_transformers(written: Written, name: str) -> None:
    rows = folders.tokens()
    network = folders.load(written(name))
    with torch.no_grad():
        found = network(rows, use_cache=False, output_hidden_states=True)
    opened = decoder.read(written(name))
    hidden = streaming.embed(opened, rows)
    torch.testing.assert_close(hidden, found.hidden_states[0])
    for index in range(opened.blocks):
        streaming.forward(opened, hidden, streaming.block(opened, index), index)
        if index + 1 < opened.blocks:  # the last states are normed there
            expected = found.hidden_states[index + 1]
            torch.testing.assert_close(hidden, expected, rtol=1e-4, atol=1e-4)
    loss = F.cross_entropy(
        found.logits[:, :-1].flatten(0, 1), rows[:, 1:].flatten()
    ).item()
    assert streaming.nll(opened, hidden, rows) == pytest.approx(loss, rel=1e-4)
    assert streaming.perplexity(opened, rows) == pytest.approx(math.exp(loss), rel=1e-3)


def test_half_precision_is_computed_in_float32(
    written: Written, tmp_path: Path
) -> None:
    folders.load(written("llama")).to(torch.bfloat16).save_pretrained(tmp_path)
    rows = folders.tokens()
    opened = decoder.read(tmp_path)
    assert opened.block(0)["mlp.up_proj.weight"].dtype == torch.bfloat16
    logits = folders.logits(folders.load(tmp_path), rows)
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), rows[:, 1:].flatten())
    found = streaming.perplexity(opened, rows)
    assert found == pytest.approx(loss.exp().item(), rel=1e-3)


def test_values_that_are_not_finite_are_named(tmp_path: Path) -> None:
    network = folders.write(tmp_path)
    with torch.no_grad():
        network.model.layers[2].mlp.up_proj.weight[0, 0] = math.nan
    network.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="not finite behind block 2"):
        streaming.perplexity(decoder.read(tmp_path), folders.tokens())
