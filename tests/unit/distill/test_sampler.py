"""Sampling of batches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from edgekit.distill.sampler import TrainSampler
from tests.unit.distill.test_optimize import RECIPE, samples


def test_samples_are_mixed_with_their_partners() -> None:
    data = samples()
    sampler = TrainSampler(data, replace(RECIPE, mixup=0.4), (torch.float32,), 0)
    indices = torch.arange(8)
    mixup = sampler.mixup(len(indices))
    assert mixup is not None and 0 < mixup.fraction < 1
    taken = sampler.take(indices, torch.arange(8), None, mixup)
    x, y = data.arrays()
    partner = mixup.partner.numpy()
    blended = mixup.fraction * x[:8] + (1 - mixup.fraction) * x[partner]
    np.testing.assert_allclose(taken.inputs[0], blended, rtol=1e-5, atol=1e-6)
    assert taken.other is not None and taken.fraction == mixup.fraction
    assert taken.targets.tolist() == y[:8].tolist()
    assert taken.other.tolist() == y[partner].tolist()
    assert TrainSampler(data, RECIPE, (torch.float32,), 0).mixup(8) is None
