"""A folder's program is held against its network in transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgekit.errors import ModelError
from edgekit.sources.huggingface import check as checks
from edgekit.sources.huggingface.inputs import Taken
from tests.unit.sources.huggingface import folders
from tests.unit.sources.huggingface.folders import length, load


def test_a_wrong_network_is_refused(tmp_path: Path) -> None:
    network = folders.distilbert(tmp_path / "folder")
    program = load(tmp_path / "folder", input=length(6))
    reference = checks.Reference(
        network=network,
        steps=(),
        taken=Taken(specs=program.inputs, fixed={}),
        outputs=("logits",),
    )
    checks.check(program, reference, source="folder")
    with torch.no_grad():
        # Only tokens beyond the first three, and not the same for every unit, which norms undo.
        next(program.module.parameters())[3:].add_(torch.arange(16) * 0.1)
    with pytest.raises(ModelError, match="differs from the network in transformers"):
        checks.check(program, reference, source="folder")
