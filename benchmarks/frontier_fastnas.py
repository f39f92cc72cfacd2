"""ModelOpt's FastNAS on a project's network, in an environment that has `nvidia-modelopt`:

    python -m benchmarks.frontier_fastnas PROJECT FRACTION OUT.pt2

Widths are searched for by accuracy on training samples, in steps of 8 channels, until this
fraction of the operations is left (Molchanov et al., 2022, "LANA", arXiv:2107.10624, and
ModelOpt's guide "Pruning").
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.frontier_networks import module_of
from edgekit import sources
from edgekit.config import project
from edgekit.pipeline.samples import read_samples
from edgekit.program.program import trace
from edgekit.progress import Silent

SCORED, CALIBRATED, BATCH = 512, 512, 64
STEP = 8


def _in_steps(config: dict[str, Any]) -> dict[str, Any]:
    """The default search space with widths in steps of 8: in its own steps of 32 nothing of a
    network of 16 to 64 channels can be cut."""
    for rules in config.values():
        for rule in rules.values():
            for name in rule:
                if name.endswith("divisor"):
                    rule[name] = STEP
    return config


def main() -> None:
    import modelopt.torch.prune as mtp
    from modelopt.torch.prune.fastnas import FastNASConfig

    root, fraction, out = sys.argv[1:]
    one = project.load(Path(root))
    teacher = sources.load(one.model, root=one.root)
    train = read_samples(one, teacher, {}, Silent()).train
    inputs, targets = map(
        torch.from_numpy, train.arrays(np.arange(SCORED + CALIBRATED))
    )
    module = module_of(one)

    def score(network: nn.Module) -> float:
        network.eval()
        with torch.no_grad():
            right = network(inputs[:SCORED]).argmax(1) == targets[:SCORED]
        return float(right.float().mean())

    found, _ = mtp.prune(
        module,
        mode=[("fastnas", _in_steps(FastNASConfig().model_dump()))],
        constraints={"flops": f"{100 * float(fraction):g}%"},
        dummy_input=inputs[:1],
        config={
            "data_loader": inputs[SCORED:].split(BATCH),
            "score_func": score,
            "collect_func": lambda batch: batch,
            "checkpoint": str(Path(out).with_suffix(".search")),
        },
    )
    trace(found.eval(), teacher.inputs, teacher.dtypes).save(Path(out))


if __name__ == "__main__":
    main()
