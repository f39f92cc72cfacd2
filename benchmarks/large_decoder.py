"""A decoder of 1.1 billion parameters: traced, analysed and cut, with its peak memory.

`python -m benchmarks.large_decoder` writes `benchmarks/results/large_decoder.json`. Random bf16
weights, one process; needs about 4 GB of memory and a minute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.results import Row, Table
from edgekit.prune.graph import analyse
from edgekit.prune.surgery import shrink
from edgekit.source.program import trace
from edgekit.types import InputSpec, Plan

WIDTH, HEADS, KEY_HEADS, HIDDEN, LAYERS, WORDS = 2048, 32, 4, 5632, 22, 32000
KEPT = 0.8
"""Share of every group's units that stays: leaves about 61 % of the parameters."""


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        size = WIDTH // HEADS
        self.q = nn.Linear(WIDTH, WIDTH, bias=False)
        self.k = nn.Linear(WIDTH, KEY_HEADS * size, bias=False)
        self.v = nn.Linear(WIDTH, KEY_HEADS * size, bias=False)
        self.o = nn.Linear(WIDTH, WIDTH, bias=False)
        self.gate = nn.Linear(WIDTH, HIDDEN, bias=False)
        self.up = nn.Linear(WIDTH, HIDDEN, bias=False)
        self.down = nn.Linear(HIDDEN, WIDTH, bias=False)
        self.before, self.between = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        y = self.before(x)
        q, k, v = (
            part(y).unflatten(-1, (heads, -1)).transpose(1, 2)
            for part, heads in (
                (self.q, HEADS),
                (self.k, KEY_HEADS),
                (self.v, KEY_HEADS),
            )
        )
        q, k = (t * cos + _rotated(t) * sin for t in (q, k))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + self.o(y.transpose(1, 2).flatten(2))
        y = self.between(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = nn.RMSNorm(WIDTH)
        self.head = nn.Linear(WIDTH, WORDS, bias=False)
        size = WIDTH // HEADS
        self.register_buffer("frequencies", 1e4 ** (-torch.arange(0, size, 2) / size))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        places = torch.arange(tokens.shape[1]).float()
        angles = torch.outer(places, self.frequencies)
        angles = torch.cat([angles, angles], -1)
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        for layer in self.layers:
            x = layer(x, cos, sin)
        return self.head(self.norm(x))


def _rotated(x: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return torch.cat([-x[..., half:], x[..., :half]], -1)


def _random() -> Decoder:
    """Weights drawn straight into bf16: nothing is held twice."""
    with torch.device("meta"):
        network = Decoder().to(torch.bfloat16)
    network = network.to_empty(device="cpu")
    for parameter in network.parameters():
        parameter.data.uniform_(-0.02, 0.02)
    size = WIDTH // HEADS
    network.frequencies = 1e4 ** (-torch.arange(0, size, 2) / size)
    return network


@contextmanager
def _peak_memory() -> Iterator[Callable[[], int]]:
    """Largest resident size since the start, sampled 50 times a second."""
    process, largest, stop = psutil.Process(), [0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            largest[0] = max(largest[0], process.memory_info().rss)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield lambda: largest[0]
    stop.set()
    thread.join()


def measure() -> Row:
    before = psutil.Process().memory_info().rss
    networks = [_random()]
    weights = sum(p.numel() * p.element_size() for p in networks[0].parameters())
    parameters = sum(p.numel() for p in networks[0].parameters())
    row: Row = {"name": "decoder", "parameters": parameters, "kept": KEPT}

    def timed(step: str, run: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = run()
        row[f"{step}_s"] = round(time.perf_counter() - start, 2)
        row[f"{step}_peak_over_weights"] = round((peak() - before) / weights, 3)
        return result

    with _peak_memory() as peak:
        spec = InputSpec(shape=(64,), name="tokens")
        program = timed("trace", lambda: trace(networks.pop(), (spec,), (torch.int64,)))
        graph = timed("analyse", lambda: analyse(program))
        kept = {g.id: tuple(range(max(1, round(g.units * KEPT)))) for g in graph.groups}
        small = timed("shrink", lambda: shrink(graph, Plan(kept=kept), release=True))
    row["groups"] = len(graph.groups)
    row["parameters_left"] = sum(p.numel() for p in small.module.parameters())
    output = small.module(torch.zeros(1, 64, dtype=torch.int64))
    assert output.shape == (1, 64, WORDS) and bool(torch.isfinite(output).all())
    return row


def main() -> None:
    row = measure()
    Table("large_decoder", ["name"], ["torch"]).add(row, lambda rows: {})
    for key, value in row.items():
        print(f"{key:28} {value}")


if __name__ == "__main__":
    main()
