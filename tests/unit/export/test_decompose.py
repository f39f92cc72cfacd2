"""Each decomposition gives what its operator gives, by PyTorch's own kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from edgekit.program.program import trace
from edgekit.runtimes.litert.decompose import LITERT
from edgekit.runtimes.litert.lowering import lowered
from edgekit.types import InputSpec

IMAGE = (6, 9, 11)
VOLUME = (4, 5, 6, 7)
LINE = (6, 20)
ROWS = (7, 12)

Function = Callable[[Tensor], Any]
FUNCTIONS: dict[str, tuple[Function, tuple[int, ...]]] = {
    "global maximum": (lambda x: F.adaptive_max_pool2d(x, 1), IMAGE),
    "odd maximum": (lambda x: F.adaptive_max_pool2d(x, (4, 5)), IMAGE),
    "larger maximum": (lambda x: F.adaptive_max_pool2d(x, (13, 12)), IMAGE),
    "maximum of lines": (lambda x: F.adaptive_max_pool1d(x, 7), LINE),
    "maximum of volumes": (lambda x: F.adaptive_max_pool3d(x, (2, 3, 4)), VOLUME),
    "mean of volumes": (lambda x: F.adaptive_avg_pool3d(x, (2, 3, 4)), VOLUME),
    "places of equals": (
        lambda x: F.adaptive_max_pool2d(x.relu().round(), (3, 4), True),
        IMAGE,
    ),
    "places in windows": (
        lambda x: F.max_pool2d(x.relu().round(), 3, 2, 1, return_indices=True),
        IMAGE,
    ),
    "places in dilated windows": (
        lambda x: F.max_pool2d(x, (3, 2), 2, 1, 2, True, return_indices=True),
        IMAGE,
    ),
    "hanging windows": (
        lambda x: F.avg_pool3d(x, 3, 2, 1, ceil_mode=True),
        VOLUME,
    ),
    "hanging windows without padding": (
        lambda x: F.avg_pool3d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
        VOLUME,
    ),
    "nearest of a size": (lambda x: F.interpolate(x, (13, 4)), IMAGE),
    "nearest of one": (lambda x: F.interpolate(x, (1, 1)), IMAGE),
    "nearest of a scale": (lambda x: F.interpolate(x, scale_factor=(2, 1.7)), IMAGE),
    "bilinear of a scale": (
        lambda x: F.interpolate(x, scale_factor=1.5, mode="bilinear"),
        IMAGE,
    ),
    "bicubic of a scale": (
        lambda x: F.interpolate(x, scale_factor=0.7, mode="bicubic"),
        IMAGE,
    ),
    "antialiased": (
        lambda x: F.interpolate(x, (5, 17), mode="bicubic", antialias=True),
        IMAGE,
    ),
    "fold": (lambda x: F.fold(x, (7, 8), 3, padding=1), (18, 56)),
    "fold dilated": (
        lambda x: F.fold(x, (9, 9), 3, dilation=2, stride=2),
        (18, 9),
    ),
    "one hot": (lambda x: F.one_hot((x > 0).long(), 3), ROWS),
    "multiple added": (lambda x: torch.add(x, x.flip(1), alpha=0.3), ROWS),
    "floor of a quotient": (
        lambda x: torch.div(x, 0.3, rounding_mode="floor"),
        ROWS,
    ),
    "exclusive": (lambda x: (x > 0) ^ (x > 0.5), ROWS),
    "products": (lambda x: torch.cumprod(x, 1), ROWS),
    "largest so far": (lambda x: torch.cummax(x, -1)[0], ROWS),
    "smallest so far": (lambda x: torch.cummin(x, 1)[0], ROWS),
    "sorted": (lambda x: torch.sort(x, 1, descending=True), ROWS),
    "order": (lambda x: torch.argsort(x, -1), ROWS),
    "third": (lambda x: torch.kthvalue(x, 3, 1, keepdim=True), ROWS),
    "median": (lambda x: torch.median(x, -1), ROWS),
    "buckets": (
        lambda x: torch.bucketize(x.round(), torch.arange(-2.0, 3), right=True),
        ROWS,
    ),
    "rows added": (
        lambda x: torch.index_add(
            x, 1, torch.tensor([0, 2, 2]), x[:, :3] * 2, alpha=0.5
        ),
        ROWS,
    ),
    "scattered": (lambda x: torch.scatter_add(x, 1, (x > 0).long(), x), ROWS),
    "rows filled": (
        lambda x: torch.index_fill(x, 1, torch.tensor([4, 2]), 3.0),
        ROWS,
    ),
    "lone head": (lambda x: x[:, :1].repeat_interleave(3, 1), ROWS),
}
MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    **{
        f"transposed {rank}d {options}": (
            lambda kind=kind, options=options: kind(6, 6, 3, **options),
            shape,
        )
        for rank, (kind, shape) in enumerate(
            (
                (nn.ConvTranspose1d, LINE),
                (nn.ConvTranspose2d, IMAGE),
                (nn.ConvTranspose3d, (6, 4, 5, 3)),
            ),
            start=1,
        )
        for options in (
            {"stride": 2, "padding": 1},
            {"stride": 2, "padding": 1, "output_padding": 1, "groups": 6},
            {"stride": 3, "dilation": 2, "padding": 1, "output_padding": 2},
            {"stride": 2, "dilation": 2, "padding": 1, "groups": 3},
        )
    },
    "same of a line": (lambda: nn.Conv1d(6, 5, 4, padding="same", dilation=2), LINE),
    "groups of volumes": (lambda: nn.Conv3d(4, 6, 3, padding=1, groups=2), VOLUME),
}


class Call(nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_decomposed_exactly(name: str) -> None:
    function, shape = FUNCTIONS[name]
    exact(Call(function), shape)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_decomposed_exactly(name: str) -> None:
    build, shape = MODULES[name]
    torch.manual_seed(0)
    exact(build().eval(), shape)


def exact(network: nn.Module, shape: tuple[int, ...]) -> None:
    program = trace(network, (InputSpec(shape=shape),))
    decomposed = lowered(program, LITERT)
    assert decomposed is not program
    for seed in range(3):
        draw = torch.Generator().manual_seed(seed)
        x = torch.randn(1, *shape, generator=draw)
        with torch.no_grad():
            got = pytree.tree_leaves(decomposed.module(x))
            want = pytree.tree_leaves(network(x))
        for one, other in zip(got, want, strict=True):
            assert one.shape == other.shape
            assert one.dtype == other.dtype
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_what_needs_no_decomposition_is_left_as_it_is() -> None:
    network = nn.Sequential(nn.Conv2d(6, 4, 3), nn.Upsample(scale_factor=2), nn.ReLU())
    program = trace(network, (InputSpec(shape=IMAGE),))
    assert lowered(program, LITERT) is program
