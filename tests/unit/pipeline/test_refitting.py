"""A planned cut is refitted before its training, and a network that stays whole is left alone."""

from __future__ import annotations

from pathlib import Path

import torch

from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.refitting import mended
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.search import as_it_is, planned
from tests.unit.pipeline.test_locked import cut_of, inputs_of


def test_a_cut_is_refitted_and_a_whole_network_is_not(
    request_: BuildRequest, loaded: Loaded, tmp_path: Path
) -> None:
    inputs = inputs_of(request_, loaded, tmp_path)
    cut = cut_of(request_, loaded, tmp_path)
    planner = inputs.whole_planner(loaded.teacher, cut.widths)
    whole = as_it_is(planner, ())
    assert mended(whole, inputs, loaded.teacher) is whole
    fitted = planned(planner, cut)
    found = mended(fitted, inputs, loaded.teacher)
    assert found.solution == fitted.solution
    given, _ = inputs.train.feeds()
    x = torch.from_numpy(given[0])
    with torch.no_grad():
        expected = loaded.teacher.module(x)
        before, after = (
            float((one.student.module(x) - expected).square().sum())
            for one in (fitted, found)
        )
    assert after < before
