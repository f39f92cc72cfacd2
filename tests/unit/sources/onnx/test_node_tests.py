"""ONNX's own cases of single operators: which the reader passes, and which it does not take."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.unit.sources.onnx.node_tests import cases, run

_LEFT = (
    "_uint16", "_uint32", "_uint64",  # torch does not compute with them
    "empty_set",
    "bitwise_not_3d",
    # ONNX's own reference differs from ONNX Runtime, which the reader follows.
    "test_resize_downsample_scales_linear_align_corners",
    "test_resize_downsample_scales_cubic_align_corners",
)  # fmt: skip


@pytest.mark.slow
def test_every_case_passes_or_is_refused_by_name() -> None:
    said = {case.name: run(case) for case in cases()}
    wrong = {
        name: why
        for name, why in said.items()
        if why != "passes" and not why.startswith("refused")
    }
    wrong = {n: why for n, why in wrong.items() if not any(o in n for o in _LEFT)}
    assert not wrong
    counts = Counter(why.partition(":")[0] for why in said.values())
    assert counts["passes"] > 880
