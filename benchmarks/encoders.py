"""Time and memory to plan encoders of the sizes that people deploy, and how exact their cuts are.

    python -m benchmarks.encoders [--only NETWORK]

A BERT-base-like classifier of 128 tokens and a ViT-B/16 of 224 pixels, from folders of transformers
with random weights; labels are what the network answers. Each is planned as `edgekit plan` does,
without training, to two thirds of its multiply-adds, in a process of its own with an empty cache.
Int8 is tried in its plain form alone: that of random weights holds in none, and the search for one
took half an hour of the ViT.
The plan's cut, and one of a quarter of every exact group, are compared with the author's module
whose units are silent; the cut of every other residual block with the whole program whose blocks
add nothing.
Memory is the sum of proportional set sizes of the process and all it started, looked at once a
second. Writes `benchmarks/results/encoders.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.real_size import Stages, watched
from benchmarks.results import Row, Table
from edgekit.graph.graph import Group, WidthGraph
from edgekit.graph.surgery import mask, shrink
from edgekit.types import Plan
from tests.zoo.exactness import outputs, random_plan, relative_error
from tests.zoo.silenced import silenced

TARGET = "intel-n100"
CLASSES = 4
TRAIN, TEST = 64, 32
TOKENS = 128
PROJECT = """\
[model]
source = "model"
input = {{ shape = {shape} }}
[data]
train = "train.npz"
test = "test.npz"
[data.preprocess]
scale = 1
[task]
kind = "classification"
[budget]
mmacs = {mmacs}
[recipe.prune]
cost_minutes = 3
[recipe.quantize]
recover = false
"""
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """A network of transformers by the names of its classes, and its budget."""

    name: str
    config: str
    module: str
    shape: tuple[int, ...]
    mmacs: int
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Of the configuration, where they are not the default."""

    def network(self, folder: Path | None = None) -> nn.Module:
        """With random weights, the same each time, or those in a folder."""
        import transformers

        kind = getattr(transformers, self.module)
        if folder is not None:
            return _Logits(kind.from_pretrained(folder, attn_implementation="eager"))
        config = getattr(transformers, self.config)(num_labels=CLASSES, **self.sizes)
        torch.manual_seed(0)
        return _Logits(kind(config)).eval()

    def samples(self, count: int, seed: int) -> dict[str, Tensor]:
        """Texts of all lengths as token numbers, or noise of several scales in an image."""
        generator = torch.Generator().manual_seed(seed)
        if len(self.shape) == 1:
            tokens = torch.randint(1000, 30000, (count, TOKENS), generator=generator)
            lengths = torch.randint(8, TOKENS, (count, 1), generator=generator)
            mask = (torch.arange(TOKENS) < lengths).long()
            types = torch.zeros_like(tokens)
            named = ("input_ids", "attention_mask", "token_type_ids")
            return dict(zip(named, (tokens * mask, mask, types), strict=True))
        coarse = torch.randn((count, 3, 14, 14), generator=generator)
        fine = torch.randn((count, *self.shape), generator=generator)
        images = nn.functional.interpolate(coarse, size=self.shape[1:]) + fine / 4
        return {"x": images}


ENCODERS = (
    Encoder(
        name="bert-base",
        config="BertConfig",
        module="BertForSequenceClassification",
        shape=(TOKENS,),
        mmacs=7400,
    ),
    Encoder(
        name="vit-b-16",
        config="ViTConfig",
        module="ViTForImageClassification",
        shape=(3, 224, 224),
        mmacs=11700,
    ),
)


class _Logits(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> Tensor:
        logits: Tensor = self.network(*inputs, return_dict=False)[0]
        return logits


@torch.no_grad()
def write(encoder: Encoder, folder: Path) -> None:
    """Write the project: the folder of transformers, samples, and labels that it answers."""
    network = encoder.network()
    answers = []
    for seed, (part, count) in enumerate((("train", TRAIN), ("test", TEST)), 1):
        samples = encoder.samples(count, seed)
        batches = zip(*(each.split(8) for each in samples.values()), strict=True)
        logits = torch.cat([network(*batch) for batch in batches])
        answers.append((part, samples, logits))
    shift = answers[0][2].mean(0)
    head: Any = network.network
    head.classifier.bias -= shift
    folder.mkdir(parents=True)
    head.save_pretrained(folder / "model")
    for part, samples, logits in answers:
        labels = (logits - shift).argmax(-1)
        arrays: dict[str, Any] = {name: each.numpy() for name, each in samples.items()}
        np.savez(folder / f"{part}.npz", **arrays, y=labels.numpy())
    text = PROJECT.format(shape=list(encoder.shape), mmacs=encoder.mmacs)
    (folder / "edgekit.toml").write_text(text)


def plan(encoder: Encoder, folder: Path) -> Row:
    """Plan, in this process, and compare cuts with the author's module."""
    from edgekit.api.environment import attached_environment
    from edgekit.commands.build import read_request
    from edgekit.pipeline.preview import Previewer

    stages = Stages()
    request = read_request(folder, TARGET, stages)
    with attached_environment(request, device="local", progress=stages) as env:
        solved = Previewer().solved(request, env)
    graph, chosen = solved.graph, solved.plans[-1]
    point = solved.preview.points[-1]
    began = time.monotonic()
    with stages.step("Compare cuts"):
        errors = exactness(encoder, folder, graph, chosen)
    return {
        "stages": stages.found,
        "planned_by": began,
        "groups": len(graph.groups),
        "blocks": len(graph.blocks),
        "kept": _kept(graph.groups, chosen),
        "blocks_dropped": len(chosen.dropped_blocks),
        "mmacs_left": round(point.macs / 1e6),
        "parameters_left": point.parameters,
        "parameters": sum(p.numel() for p in graph.program.module.parameters()),
        "points": len(solved.preview.points),
        **errors,
    }


def exactness(encoder: Encoder, folder: Path, graph: WidthGraph, chosen: Plan) -> Row:
    """Largest differences over the largest outputs, of three cuts."""
    network = encoder.network(folder / "model")
    sample = tuple(encoder.samples(2, seed=9).values())
    exact = [group for group in graph.groups if group.exact]
    quarter = random_plan(exact, 0.25)
    kept_whole = all(g.exact for g in graph.groups if _is_cut(g, chosen))
    found: Row = {"groups_exact": len(exact)}
    widths = Plan(kept=chosen.kept)
    for key, one, over_kept in (
        ("error_of_quarter", quarter, False),
        ("error_of_plan", widths, not kept_whole),
    ):
        expected = silenced(network, graph, one, sample, over_kept=over_kept)
        got = outputs(shrink(graph, one), sample)
        found[key] = relative_error(got, expected)
    blocks = Plan(kept={}, dropped_blocks=tuple(b.id for b in graph.blocks[::2]))
    got = outputs(shrink(graph, blocks), sample)
    found["error_of_blocks"] = relative_error(got, outputs(mask(graph, blocks), sample))
    return found


def _is_cut(group: Group, chosen: Plan) -> bool:
    return len(chosen.kept.get(group.id, range(group.units))) < group.units


def _kept(groups: Sequence[Group], chosen: Plan) -> dict[str, list[int]]:
    """Units that stay, and all, of each kind of group."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for group in groups:
        kind = f"{group.kind} of {group.units}"
        found[kind][0] += len(chosen.kept.get(group.id, range(group.units)))
        found[kind][1] += group.units
    return dict(found)


def measure(encoder: Encoder, work: Path) -> Row:
    """The row of a network, planned in a fresh process from an empty cache."""
    shutil.rmtree(work, ignore_errors=True)
    project = work / "project"
    write(encoder, project)
    environment = {
        **os.environ,
        "EDGEKIT_CACHE": str(work / "cache"),
        "PYTHONPATH": str(ROOT),
    }
    words = ["-m", "benchmarks.encoders", "--plan", encoder.name, "--work", str(work)]
    began = time.monotonic()
    _, memory, code = watched([sys.executable, *words], environment, work)
    if code:
        sys.exit(f"{encoder.name} ended with {code}")
    row: Row = json.loads((work / "row.json").read_text())
    planned_by = row.pop("planned_by")
    stages: dict[str, float] = defaultdict(float)
    for title, start, end in row.pop("stages"):
        stages[title] += end - start
    return {
        "network": encoder.name,
        "target": TARGET,
        "seconds": round(planned_by - began, 1),
        "peak_mib": round(max(mib for at, mib in memory if at <= planned_by)),
        **row,
        "stages": {title: round(seconds, 1) for title, seconds in stages.items()},
    }


def summary(found: list[Row]) -> Row:
    """The slowest, the most memory, and the worst cut."""
    errors = ("error_of_quarter", "error_of_plan", "error_of_blocks")
    return {
        "seconds": max(row["seconds"] for row in found),
        "peak_mib": max(row["peak_mib"] for row in found),
        "error": max(row[key] for row in found for key in errors),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    named = {one.name: one for one in ENCODERS}
    parser.add_argument("--only", choices=list(named))
    parser.add_argument("--work", type=Path, default=ROOT / "build/encoders")
    parser.add_argument("--plan", choices=list(named), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    work: Path = arguments.work.resolve()
    if arguments.plan:
        row = plan(named[arguments.plan], work / "project")
        (work / "row.json").write_text(json.dumps(row))
        return
    table = Table("encoders", ("network",), ("torch", "transformers", "openvino"))
    for name in [arguments.only] if arguments.only else named:
        row = measure(named[name], work / name)
        table.add(row, summary)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
