"""The peers of `benchmarks/latency_frontier.py`: Torch-Pruning and uniform width scaling."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from benchmarks.frontier_recover import BATCH, INPUT, Setting
from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.program.program import Program, trace
from edgekit.prune.importance import importance
from edgekit.prune.objective import keep_best

ROUNDINGS = (None, 8, 16)
PEERS = tuple(
    f"torch-pruning {kind}{f' round {rounding}' if rounding else ''}"
    for kind in ("taylor", "greg")
    for rounding in ROUNDINGS
)
UNIFORM = "uniform width"
GROWING_RATE = 0.01


def cut_by_peer(setting: Setting, method: str, ratio: float, cache: Path) -> Program:
    """Torch-Pruning's network at a global pruning ratio.

    Only the widths inside residual blocks are given to it: asked for the others too, it raises
    an IndexError on this network's shortcuts, which pad channels.
    """
    import torch_pruning as tp

    words = method.split()
    greg = words[1] == "greg"
    network = _grown(setting, cache) if greg else setting.network()
    if greg:
        criterion = tp.importance.GroupMagnitudeImportance(p=2)
    else:
        criterion = tp.importance.GroupTaylorImportance()
    pruner = tp.pruner.BasePruner(
        network,
        torch.zeros(1, 3, 32, 32),
        importance=criterion,
        global_pruning=True,
        pruning_ratio=ratio,
        round_to=int(words[-1]) if words[-2] == "round" else None,
        ignored_layers=_outside_blocks(network),
    )
    if not greg:
        images, labels = setting.scoring
        nn.functional.cross_entropy(network(images), labels).backward()
    pruner.step()
    network.zero_grad()
    return trace(network.eval(), INPUT)


def cut_uniformly(setting: Setting, fraction: float) -> Program:
    """Every width, residual streams too, at the same fraction; the units with most activation."""
    graph = analyze(setting.program)
    scores = importance(graph, "activation", batches=[setting.scoring])
    widths = {g.id: max(1, round(g.units * fraction)) for g in graph.groups}
    return shrink(graph, keep_best(graph.groups, widths, scores))


def _outside_blocks(network: nn.Module) -> list[nn.Module]:
    return [
        layer
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
        and (name == "conv1" or not name.endswith("conv1"))
    ]


def _grown(setting: Setting, cache: Path) -> nn.Module:
    """The network after an epoch more than others get, under GReg's growing penalty.

    The penalty does not depend on how much is cut afterwards, so that one network serves all.
    """
    import torch_pruning as tp

    network, path = setting.network(), cache / f"greg-{setting.train_images}.pt"
    if path.is_file():
        network.load_state_dict(torch.load(path, weights_only=True))
        return network.eval()
    pruner = tp.pruner.GrowingRegPruner(
        network,
        torch.zeros(1, 3, 32, 32),
        importance=tp.importance.GroupMagnitudeImportance(p=2),
        global_pruning=True,
        reg=1e-4,
        delta_reg=1e-2,
        ignored_layers=_outside_blocks(network),
    )
    network.train()
    optimizer = torch.optim.SGD(
        network.parameters(), GROWING_RATE, momentum=0.9, weight_decay=5e-4
    )
    images = setting.recovery(0)
    for step, (inputs, labels) in enumerate(images.augmented(BATCH, 0)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), labels).backward()
        if step % 5 == 0:
            pruner.update_reg()
        pruner.regularize(network)
        optimizer.step()
    cache.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), path)
    return network.eval()
