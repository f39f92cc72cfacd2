"""The peers of `benchmarks/latency_frontier.py`: Torch-Pruning, FastNAS, uniform width and depth.

Each cuts the author's own module or the traced one; recovery and files are the same for all.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.frontier_edgekit import METHOD
from benchmarks.frontier_networks import ROOT, Network, Places, module_of
from edgekit.config.project import Project
from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.pipeline.samples import BuildData
from edgekit.program.program import Program, load, trace
from edgekit.prune.importance import importance
from edgekit.prune.objective import keep_best
from edgekit.types import Plan

ROUNDINGS = (None, 8, 16)
PEERS = tuple(
    f"torch-pruning {kind}{f' round {rounding}' if rounding else ''}"
    for rounding in ROUNDINGS
    for kind in ("taylor", "greg")
)
DEFAULT = tuple(name for name in PEERS if "round" not in name)
DEPGRAPH = "torch-pruning depgraph"
"""Trained sparse by groups before it is cut; of `benchmarks/no_loss.py` alone."""
WIDTH, DEPTH, NAS = "uniform width", "uniform depth", "modelopt fastnas"
UNCUT = "uncut"
METHODS = (METHOD, *DEFAULT, WIDTH, DEPTH, *PEERS[len(DEFAULT) :], NAS)
"""In the order in which their rows are made."""
NAS_PYTHON = "FRONTIER_NAS_PYTHON"
"""Environment variable: the Python of an environment with `nvidia-modelopt`."""
SCORING = 256
_SPARSE_RATE, _BATCH = 0.01, 64
_SPARSE_EPOCHS = {"greg": 1, "depgraph": 3}
_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear, nn.Embedding)


def points_of(network: Network, method: str) -> tuple[float, ...]:
    """The points that a method cuts a network to."""
    if method == METHOD:
        return network.speedups
    if method == WIDTH:
        return network.fractions
    if method == DEPTH:
        return network.depths
    if method == NAS:
        return network.ratios if network.nas and os.environ.get(NAS_PYTHON) else ()
    return network.ratios if method in DEFAULT else network.ratios[:-1]


def deepest_of(network: Network, method: str) -> float:
    """The point that is there to bound what can be compared; a rounding is not cut so deep."""
    if method == WIDTH:
        return network.fractions[-1]
    return network.depths[-1] if method == DEPTH else network.ratios[-1]


def cut_by_peer(  # noqa: PLR0913 (a network, its data, and where what is made once lies)
    network: Network,
    project: Project,
    teacher: Program,
    samples: BuildData,
    places: Places,
    method: str,
    point: float,
) -> Program | None:
    """The network that a peer leaves at a point; `None` where there is nothing that it cuts."""
    if method == WIDTH:
        return _narrower(teacher, samples, point)
    if method == DEPTH:
        return _shallower(teacher, point)
    if method == NAS:
        return _searched(network, project, places, point)
    return _pruned(network, project, teacher, samples, places, method, point)


def _scoring(samples: BuildData) -> tuple[torch.Tensor, torch.Tensor]:
    """Training samples that criteria score units on."""
    chosen = np.arange(min(SCORING, len(samples.train)))
    inputs, targets = samples.train.arrays(chosen)
    return torch.from_numpy(inputs), torch.from_numpy(targets)


def _narrower(teacher: Program, samples: BuildData, fraction: float) -> Program:
    """Every width, residual streams too, at the same fraction; the units with most activation."""
    graph = analyze(teacher)
    scores = importance(graph, "activation", batches=[_scoring(samples)])
    widths = {g.id: max(1, round(g.units * fraction)) for g in graph.groups}
    return shrink(graph, keep_best(graph.groups, widths, scores))


def _shallower(teacher: Program, fraction: float) -> Program | None:
    """A fraction of the residual blocks, evenly spread; the first stays."""
    graph = analyze(teacher)
    blocks = [block.id for block in graph.blocks]
    if not blocks:
        return None
    keep = max(1, round(fraction * len(blocks)))
    stay = {int(n) for n in np.linspace(0, len(blocks) - 1, keep).round()}
    gone = tuple(block for n, block in enumerate(blocks) if n not in stay)
    return shrink(graph, Plan(kept={}, dropped_blocks=gone)) if gone else None


def _pruned(  # noqa: PLR0913
    network: Network,
    project: Project,
    teacher: Program,
    samples: BuildData,
    places: Places,
    method: str,
    ratio: float,
) -> Program:
    """Torch-Pruning's network at a global pruning ratio."""
    import torch_pruning as tp

    words = method.split()
    kind = words[1]
    module = module_of(project)
    if kind in _SPARSE_EPOCHS:
        _train_sparse(network, module, samples, places.cache / network.name, kind)
    inputs, targets = _scoring(samples)
    kept = _ignored(network, module)
    criterion = _criterion(kind)
    pruner = tp.pruner.BasePruner(
        module,
        inputs[:1],
        importance=criterion,
        global_pruning=True,
        pruning_ratio=ratio,
        round_to=int(words[-1]) if words[-2] == "round" else None,
        ignored_layers=kept,
    )
    if kind == "taylor":
        nn.functional.cross_entropy(module(inputs), targets).backward()
    pruner.step()
    module.zero_grad()
    return trace(module.eval(), teacher.inputs, teacher.dtypes)


def _ignored(network: Network, module: nn.Module) -> list[nn.Module]:
    """Layers that Torch-Pruning leaves as they are: the last one, or all but the named ones."""
    layers = [(n, m) for n, m in module.named_modules() if isinstance(m, _LAYERS)]
    if not network.prunable:
        return [layers[-1][1]]
    return [m for n, m in layers if not n.endswith(network.prunable)]


def _criterion(kind: str) -> Any:
    import torch_pruning as tp

    if kind == "taylor":
        return tp.importance.GroupTaylorImportance()
    if kind == "greg":
        return tp.importance.GroupMagnitudeImportance(p=2)
    return tp.importance.GroupMagnitudeImportance(p=2, normalizer="max")


def _train_sparse(
    network: Network, module: nn.Module, samples: BuildData, cache: Path, kind: str
) -> None:
    """Train the module longer than others get, under GReg's or DepGraph's penalty.

    The penalty does not depend on how much is cut afterwards, so that one network serves all.
    Strengths are those of the papers' code.
    """
    import torch_pruning as tp

    path = cache / f"{kind}.pt"
    if path.is_file():
        module.load_state_dict(torch.load(path, weights_only=True))
        return
    inputs, targets = samples.train.arrays()
    greg = kind == "greg"
    pruner_type = tp.pruner.GrowingRegPruner if greg else tp.pruner.GroupNormPruner
    pruner = pruner_type(
        module,
        torch.from_numpy(inputs[:1]),
        importance=_criterion(kind),
        global_pruning=True,
        ignored_layers=_ignored(network, module),
        **({"reg": 1e-4, "delta_reg": 1e-2} if greg else {"reg": 5e-4}),
    )
    module.train()
    optimizer = torch.optim.SGD(
        module.parameters(), _SPARSE_RATE, momentum=0.9, weight_decay=5e-4
    )
    for epoch in range(_SPARSE_EPOCHS[kind]):
        order = np.random.default_rng(epoch).permutation(len(targets))
        for step in range(len(order) // _BATCH):
            chosen = order[step * _BATCH : (step + 1) * _BATCH]
            optimizer.zero_grad()
            outputs = module(torch.from_numpy(inputs[chosen]))
            nn.functional.cross_entropy(
                outputs, torch.from_numpy(targets[chosen])
            ).backward()
            if greg and step % 5 == 0:
                pruner.update_reg()
            pruner.regularize(module)
            optimizer.step()
    cache.mkdir(parents=True, exist_ok=True)
    torch.save(module.eval().state_dict(), path)


def _searched(
    network: Network, project: Project, places: Places, ratio: float
) -> Program:
    """FastNAS's network with this fraction of the operations less, in its own environment."""
    out = places.cache / network.name / f"fastnas-{ratio:g}-cut.pt2"
    if not out.is_file():
        out.parent.mkdir(parents=True, exist_ok=True)
        command = [os.environ[NAS_PYTHON], "-m", "benchmarks.frontier_fastnas"]
        subprocess.run(
            [*command, str(project.root), str(1 - ratio), str(out)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=True,
        )
    return load(out)
