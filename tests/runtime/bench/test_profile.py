"""Time by operator on each runtime; assertions are on structure, never on speed."""

from __future__ import annotations

from typing import Any

import pytest

from edgekit.bench.artifact import artifact_at
from edgekit.bench.profile import plot, profile
from edgekit.devices.local import LocalDevice


def test_every_operator_has_its_share(model: Any) -> None:
    found = profile(artifact_at(model.path), LocalDevice(), threads=1)
    assert sum(one.fraction for one in found.operators) == pytest.approx(1)
    assert all(one.us > 0 for one in found.operators)
    assert found.runtime == model.runtime
    alone = model.runtime == "litert"
    assert found.method == ("each operator alone" if alone else "profiler")
    kinds = {one.kind.upper() for one in found.operators}
    assert kinds & {"RELU", "MATMUL", "FUSEDMATMUL", "FULLYCONNECTED"}
    if model.runtime != "onnxruntime":
        assert all(one.fast is not None for one in found.operators)
    html = plot(found)
    assert found.operators[0].kind in html
    assert "<script src=" not in html
