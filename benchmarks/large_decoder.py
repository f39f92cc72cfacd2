"""Memory and time to trace, analyze and cut a large decoder by 30 %.

    python -m benchmarks.large_decoder [--only NAME]

Llama-like decoders (grouped-query attention, rotary positions, RMS norm, SwiGLU) with random
weights in fp32, allocated whole. Each runs in a process of its own; memory is the resident set
above what the imports and a tiny decoder that went the same way had left. Linux only.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.results import Row, Table
from edgekit.cost.operator_shape import parameter_nodes
from edgekit.graph.graph import WidthGraph, analyze
from edgekit.graph.surgery import shrink
from edgekit.program.program import trace
from edgekit.types import InputSpec, Plan

FRACTION = 0.3
"""Fraction of the parameters that is cut."""
TOKENS = 16
ALLOWED = 1.5
"""Times its weights that a network may take in memory at the worst moment."""
_MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Size:
    width: int
    depth: int
    heads: int
    shared: int
    """Key-value heads."""
    hidden: int
    vocabulary: int


SIZES = {
    "tiny": Size(width=32, depth=1, heads=4, shared=2, hidden=64, vocabulary=50),
    "100m": Size(
        width=768, depth=12, heads=12, shared=4, hidden=2304, vocabulary=16000
    ),
    "1b": Size(width=2048, depth=16, heads=32, shared=8, hidden=8192, vocabulary=32000),
}


class Layer(nn.Module):
    """Attention and a gated MLP, each behind an RMS norm."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.head = size.width // size.heads
        narrow = self.head * size.shared
        self.norm1 = nn.RMSNorm(size.width)
        self.query = nn.Linear(size.width, size.width, bias=False)
        self.key = nn.Linear(size.width, narrow, bias=False)
        self.value = nn.Linear(size.width, narrow, bias=False)
        self.out = nn.Linear(size.width, size.width, bias=False)
        self.norm2 = nn.RMSNorm(size.width)
        self.gate = nn.Linear(size.width, size.hidden, bias=False)
        self.up = nn.Linear(size.width, size.hidden, bias=False)
        self.down = nn.Linear(size.hidden, size.width, bias=False)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        y = self.norm1(x)
        query, key, value = (
            part(y).unflatten(-1, (-1, self.head)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        query, key = (t * cosine + _turned(t) * sine for t in (query, key))
        y = F.scaled_dot_product_attention(
            query, key, value, is_causal=True, enable_gqa=True
        )
        x = x + self.out(y.transpose(1, 2).flatten(2))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


def _turned(x: Tensor) -> Tensor:
    low, high = x.chunk(2, -1)
    return torch.cat([-high, low], -1)


class Decoder(nn.Module):
    """Token numbers in, logits out; the embedding is tied to the head."""

    frequencies: Tensor

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.embed = nn.Embedding(size.vocabulary, size.width)
        self.layers = nn.ModuleList(Layer(size) for _ in range(size.depth))
        self.norm = nn.RMSNorm(size.width)
        self.head = nn.Linear(size.width, size.vocabulary, bias=False)
        self.head.weight = self.embed.weight
        half = size.width // size.heads // 2
        frequencies = 10000 ** -(torch.arange(half) / half)
        self.register_buffer("frequencies", torch.cat([frequencies, frequencies]))

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1], dtype=torch.float32)
        angles = places[:, None] * self.frequencies
        cosine, sine = angles.cos(), angles.sin()
        x = self.embed(tokens)
        for layer in self.layers:
            x = layer(x, cosine, sine)
        return self.head(self.norm(x))


def measure(name: str) -> Row:
    """Peak memory and time of every stage, in this process, which should be a fresh one."""
    torch.set_num_threads(1)
    _cut(SIZES["tiny"], {})
    baseline = _resident("VmRSS")
    stages: dict[str, Row] = {}
    facts = _cut(SIZES[name], stages)
    weights = facts["parameters"] * 4
    peak = max(stage["peak"] for stage in stages.values()) - baseline
    return {
        "name": name,
        "dtype": "float32",
        **facts,
        "weights_mib": round(weights / _MIB),
        "baseline_mib": round(baseline / _MIB),
        "peak_mib": round(peak / _MIB),
        "peak_over_weights": round(peak / weights, 3),
        "stages": {
            title: {
                "seconds": round(stage["seconds"], 2),
                "peak_over_weights": round((stage["peak"] - baseline) / weights, 3),
            }
            for title, stage in stages.items()
        },
    }


def _cut(size: Size, stages: dict[str, Row]) -> Row:
    with _stage("build", stages), torch.random.fork_rng():
        torch.manual_seed(0)
        network = Decoder(size)
    parameters = sum(p.numel() for p in network.parameters())
    with _stage("trace", stages):
        program = trace(
            network, (InputSpec(shape=(TOKENS,)),), (torch.int64,), owned=True
        )
    del network
    with _stage("analyze", stages):
        graph = analyze(program)
    with _stage("plan", stages):
        plan = _plan(graph, round(parameters * (1 - FRACTION)))
    with _stage("cut", stages):
        small = shrink(graph, plan, release=True)
    with _stage("run", stages), torch.no_grad():
        logits = small.module(*small.example(1))
    assert logits.shape == (1, TOKENS, size.vocabulary)
    assert logits.isfinite().all()
    return {
        "parameters": parameters,
        "parameters_left": sum(p.numel() for p in small.module.parameters()),
        "nodes": len(program.module.graph.nodes),
        "groups": len(graph.groups),
    }


def _plan(graph: WidthGraph, parameters: int) -> Plan:
    """Every width cut by the fraction that leaves about so many parameters."""
    nodes = parameter_nodes(graph)
    low, high = 0.0, 1.0
    for _ in range(12):
        fraction = (low + high) / 2
        widths = {g.id: max(1, round(g.units * (1 - fraction))) for g in graph.groups}
        left = sum(math.prod(graph.shape(node, widths)) for node in nodes)
        low, high = (fraction, high) if left > parameters else (low, fraction)
    return Plan(kept={group: tuple(range(width)) for group, width in widths.items()})


@contextmanager
def _stage(title: str, stages: dict[str, Row]) -> Iterator[None]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again
    start = time.perf_counter()
    yield
    stages[title] = {
        "seconds": time.perf_counter() - start,
        "peak": _resident("VmHWM"),
    }


def _resident(key: str) -> int:
    """Bytes: `VmRSS` now, `VmHWM` at most. Of getrusage, a child inherits its parent's peak."""
    status = Path("/proc/self/status").read_text()
    (kibibytes,) = re.findall(rf"{key}:\s+(\d+) kB", status)
    return int(kibibytes) * 1024


def in_fresh_process(name: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.large_decoder", "--here", name]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, cwd=_ROOT
    )
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


_ROOT = Path(__file__).parents[1]


def _summary(rows: list[Row]) -> Row:
    return {
        "share_cut": FRACTION,
        "peak_over_weights_most": max(row["peak_over_weights"] for row in rows),
        "peak_over_weights_allowed": ALLOWED,
        "threads": 1,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=list(SIZES))
    parser.add_argument("--here", choices=list(SIZES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure(arguments.here)))
        return
    table = Table("large_decoder", ("name",), ("torch",))
    for name in [arguments.only] if arguments.only else ("100m", "1b"):
        row = in_fresh_process(name)
        table.add(row, _summary)
        print(json.dumps(row, indent=1))


if __name__ == "__main__":
    main()
