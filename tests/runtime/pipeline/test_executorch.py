"""ExecuTorch beside the other runtimes in whole builds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import edgekit as ek
from edgekit.config import targets
from edgekit.errors import BudgetMissed
from edgekit.types import BenchRecipe, DistillRecipe, PruneRecipe, Report
from tests.runtime.export.conftest import Attention, perceptron

pytestmark = pytest.mark.usefixtures("brief")
BOARD = """
description = "This machine, with ExecuTorch first"
arch = "x86_64"
cpu = "host"
cores = 2
runtimes = ["executorch", "litert", "onnxruntime", "openvino"]
precisions = ["fp32", "int8"]
image = "linux/amd64"
"""


def built(
    network: torch.nn.Module,
    x: torch.Tensor,
    place: Path,
    board: str = BOARD,
) -> Report:
    """The report of a build for a board of this machine, fitting or not."""
    (place / "targets").mkdir()
    (place / "targets/phone.toml").write_text(board)
    with torch.no_grad():
        y = network.eval()(x).argmax(1)
    try:
        return ek.build(
            ek.load(network, example_input=x[:2]),
            ek.Data(train=(x, y), test=(x, y)),
            target=targets.load("phone", folders=[place / "targets"]),
            budget=ek.Budget(speedup=1.2, accuracy_drop=0.9),
            recipe=ek.Recipe(
                objective="fastest",
                minutes=0,
                prune=PruneRecipe(cost_provenance="estimated", rounds=1),
                distill=DistillRecipe(epochs=1, augment="none"),
                bench=BenchRecipe(runtime_options_s=0),
            ),
            out=place / "out",
        ).report
    except BudgetMissed as error:  # this machine's timings promise nothing
        assert isinstance(error.report, Report)
        return error.report


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["perceptron", "transformer"])
def test_four_runtimes_are_exported_compared_and_timed(
    tmp_path: Path, kind: str
) -> None:
    torch.manual_seed(0)
    network, x = perceptron(), torch.randn(96, 20)
    if kind == "transformer":
        network, x = Attention(), torch.randn(96, 3, 16, 16)
    report = built(network, x, tmp_path)
    candidates = {one.artifact.name: one for one in report.candidates}
    runtimes = ("executorch", "litert", "onnxruntime", "openvino")
    assert {f"{name}-fp32" for name in runtimes} <= set(candidates)
    for name in ("executorch-fp32", "executorch-int8"):
        one = candidates[name]
        assert one.parity.agreement is None or one.parity.agreement > 0.8
        assert one.measurement.latency.p50_ms > 0
    assert candidates["executorch-fp32"].parity.relative_error < 1e-4
