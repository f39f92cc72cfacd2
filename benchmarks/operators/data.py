"""Indexing, shapes and algebra."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.operators.case import (
    EVEN,
    IMAGE,
    ROWS,
    of,
)


def _indexing() -> None:
    places = torch.tensor([2, 0, 2, 5])
    of("index_select", lambda x: torch.index_select(x, 1, places), IMAGE)
    of("index", lambda x: x[:, places], IMAGE)
    of(
        "index two",
        lambda x: x[:, :, torch.tensor([0, 3]), torch.tensor([1, 5])],
        IMAGE,
    )
    of(
        "index grid",
        lambda x: x[:, :, torch.tensor([[0], [3]]), torch.tensor([[1, 5]])],
        IMAGE,
    )
    of("index negative", lambda x: x[:, torch.tensor([-1, 0, -2])], IMAGE)
    of("index none", lambda x: x[:, None, ..., -1], IMAGE)
    of("gather", lambda x: torch.gather(x, 1, (x > 0).long()[:, :3]), ROWS)
    of("gather last", lambda x: torch.gather(x, 2, x.argsort(-1)[..., :4]), ROWS)
    of(
        "take_along_dim",
        lambda x: torch.take_along_dim(x, x.argmax(1, keepdim=True), 1),
        ROWS,
    )
    of(
        "scatter",
        lambda x: torch.scatter(x, 2, x.argsort(-1)[..., :4], x[..., :4] * 2),
        ROWS,
    )
    of(
        "scatter value",
        lambda x: torch.scatter(x, 2, x.argmax(-1, keepdim=True), 7.0),
        ROWS,
    )
    of("scatter_add", lambda x: torch.scatter_add(x, 1, (x > 0).long(), x), ROWS)
    for how in ("sum", "prod", "mean", "amax", "amin"):
        of(
            f"scatter_reduce {how}",
            lambda x, h=how: torch.scatter_reduce(x, 1, (x > 0).long(), x * 2, h),
            ROWS,
        )
    of(
        "index_add",
        lambda x: torch.index_add(
            torch.zeros_like(x), 1, torch.tensor([0, 2, 2, 1, 0, 6, 5]), x
        ),
        ROWS,
    )
    of(
        "index_add alpha",
        lambda x: torch.index_add(x, 1, torch.tensor([0, 2, 2]), x[:, :3], alpha=0.5),
        ROWS,
    )
    of(
        "index_copy",
        lambda x: torch.index_copy(x, 1, torch.tensor([4, 2]), x[:, :2]),
        ROWS,
    )
    of("index_fill", lambda x: torch.index_fill(x, 1, torch.tensor([4, 2]), 3.0), ROWS)
    of("index_put", lambda x: _put(x, places[:2], 3.0), ROWS)
    of(
        "index_put accumulate",
        lambda x: torch.index_put(
            x,
            (torch.zeros(3, dtype=torch.long), torch.tensor([1, 1, 2])),
            x[0, :3],
            accumulate=True,
        ),
        ROWS,
    )
    of("slice assign", lambda x: _assign(x, 2), IMAGE)
    of("slice assign step", lambda x: _assign_step(x), IMAGE)
    of("mask assign", lambda x: _masked(x), IMAGE)
    of(
        "slice_scatter",
        lambda x: torch.slice_scatter(x, x[:, :2] * 2, 1, 1, 5, 2),
        IMAGE,
    )
    of("select_scatter", lambda x: torch.select_scatter(x, x[:, 0] * 2, 1, 3), IMAGE)
    of(
        "diagonal_scatter",
        lambda x: torch.diagonal_scatter(x, x[:, 0, :7], 0, 1, 2),
        ROWS,
    )
    of("slices", lambda x: x[:, 1:-1, ::2, 3:100:3], IMAGE)
    of("narrow", lambda x: x.narrow(2, 1, 4), IMAGE)
    of("flip", lambda x: torch.flip(x, (2, 3)), IMAGE)
    of("flip channels", lambda x: x.flip(1), IMAGE)
    of("fliplr", lambda x: torch.fliplr(x), IMAGE)
    of("rot90", lambda x: torch.rot90(x, 1, (2, 3)), IMAGE)
    for k in (2, 3, -1):
        of(f"rot90 {k}", lambda x, n=k: torch.rot90(x, n, (2, 3)), IMAGE)
    of("roll", lambda x: torch.roll(x, (2, -3), (2, 3)), IMAGE)
    of("roll one", lambda x: torch.roll(x, 4, 1), IMAGE)
    of("repeat", lambda x: x.repeat(1, 2, 1, 3), IMAGE)
    of("repeat more", lambda x: x.repeat(1, 2, 1, 1, 2), IMAGE)
    of("tile", lambda x: torch.tile(x, (2, 3)), IMAGE)
    for count in (2, 3):
        for dim in (1, 2, 3):
            of(
                f"repeat_interleave {count} {dim}",
                lambda x, n=count, d=dim: x.repeat_interleave(n, d),
                IMAGE,
            )
    of("repeat_interleave one", lambda x: x.repeat_interleave(3, 1), (1, 5, 6))
    of("repeat_interleave flat", lambda x: x[0].repeat_interleave(2), ROWS)
    of(
        "repeat_interleave tensor",
        lambda x: x.repeat_interleave(
            torch.tensor([1, 0, 2, 1, 1, 3, 1]), 1, output_size=9
        ),
        ROWS,
    )
    of("tril", lambda x: torch.tril(x), ROWS)
    of("triu", lambda x: torch.triu(x, 2), ROWS)
    of("diagonal", lambda x: torch.diagonal(x, 1, 1, 2), ROWS)
    of("diag_embed", lambda x: torch.diag_embed(x), ROWS)
    of("trace", lambda x: torch.diagonal(x, 0, 1, 2).sum(-1), ROWS)
    of("one_hot", lambda x: F.one_hot((x > 0).long(), 3), ROWS)
    of(
        "meshgrid",
        lambda x: torch.stack(torch.meshgrid(x[0, 0], x[0, 1], indexing="ij")),
        ROWS,
    )
    of("cartesian", lambda x: torch.cartesian_prod(x[0, 0], x[0, 1]), ROWS)


def _put(x: Tensor, where: Tensor, value: float) -> Tensor:
    y = x.clone()
    y[:, where] = value
    return y


def _assign(x: Tensor, count: int) -> Tensor:
    y = x.clone()
    y[:, :count] = y[:, :count] * 3
    return y


def _assign_step(x: Tensor) -> Tensor:
    y = torch.zeros_like(x)
    y[:, :, ::2, 1:5] = x[:, :, ::2, 1:5]
    y[..., -1] += 1
    return y


def _masked(x: Tensor) -> Tensor:
    y = x.clone()
    y[y > 0.5] = 0.5
    return y


def _shapes() -> None:
    of("cat channels", lambda x, y: torch.cat([x, y, x], 1), IMAGE, (2, 9, 11))
    of("cat last", lambda x, y: torch.cat([x, y], -1), IMAGE, IMAGE)
    of("stack", lambda x, y: torch.stack([x, y], 2), IMAGE, IMAGE)
    of("hstack", lambda x, y: torch.hstack([x, y]), IMAGE, IMAGE)
    of("split", lambda x: torch.split(x, [1, 2, 3], 1), IMAGE)
    of("chunk", lambda x: x.chunk(4, 1), IMAGE)
    of("tensor_split", lambda x: torch.tensor_split(x, 4, 1), IMAGE)
    of("unbind", lambda x: sum(x.unbind(1)), IMAGE)
    of("permute", lambda x: x.permute(0, 3, 1, 2), IMAGE)
    of("movedim", lambda x: x.movedim(1, -1), IMAGE)
    of("transpose", lambda x: x.transpose(1, 3).contiguous(), IMAGE)
    of(
        "view",
        lambda x: x.reshape(x.shape[0], 3, 2, -1).transpose(1, 2).reshape(x.shape),
        IMAGE,
    )
    of("flatten", lambda x: x.flatten(2), IMAGE)
    of("unflatten", lambda x: x.unflatten(1, (2, 3)), IMAGE)
    of("squeeze", lambda x: x.mean(2, keepdim=True).squeeze(2), IMAGE)
    of("expand", lambda x: x.mean(1, keepdim=True).expand(-1, 4, -1, -1), IMAGE)
    of("expand_as", lambda x, y: x.mean(1, keepdim=True).expand_as(y), IMAGE, IMAGE)
    of("broadcast_to", lambda x: x[:, :1].broadcast_to(x.shape[0], 5, 9, 11), IMAGE)
    of(
        "rank 6",
        lambda x: (
            x.reshape(-1, 2, 2, 4, 2, 4).permute(0, 2, 4, 1, 3, 5).reshape(-1, 4, 4, 8)
        ),
        EVEN,
    )
    of(
        "window partition",
        lambda x: (
            x.reshape(-1, 4, 2, 4, 2, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, 4)
        ),
        EVEN,
    )
    of("zeros_like", lambda x: torch.zeros_like(x) + x, ROWS)
    of("full", lambda x: torch.full((x.shape[0], 3), 2.5) + x[:, 0, :3], ROWS)
    of("arange", lambda x: x + torch.arange(12, dtype=torch.float32), ROWS)
    of("linspace", lambda x: x + torch.linspace(0, 1, 12), ROWS)
    of("eye", lambda x: x @ torch.eye(12)[:, :5], ROWS)
    of("new_zeros", lambda x: torch.cat([x, x.new_zeros(x.shape[0], 1, 12)], 1), ROWS)
    of("identity twice", lambda x: (x, x), ROWS)
    of(
        "as_strided",
        lambda x: torch.as_strided(x.contiguous(), (1, 3, 4), (84, 12, 2), 1),
        ROWS,
    )


def _algebra() -> None:
    of("mm", lambda x: x[0] @ torch.ones(12, 3), ROWS)
    of("bmm", lambda x, y: torch.bmm(x, y), ROWS, (12, 5))
    of("matmul 4d", lambda x, y: x @ y, IMAGE, (6, 11, 4))
    of("matmul broadcast", lambda x, y: x @ y.unsqueeze(1), IMAGE, (11, 4))
    of("matmul vector", lambda x: x @ torch.ones(12), ROWS)
    of("matmul transposed", lambda x, y: x @ y.transpose(1, 2), ROWS, ROWS)
    of(
        "baddbmm",
        lambda x, y, z: torch.baddbmm(z, x, y, beta=0.5, alpha=2),
        ROWS,
        (12, 5),
        (7, 5),
    )
    of(
        "addmm",
        lambda x: torch.addmm(
            torch.ones(3), x[0], torch.ones(12, 3), beta=2, alpha=0.5
        ),
        ROWS,
    )
    of("addbmm", lambda x, y: torch.addbmm(torch.zeros(7, 5), x, y), ROWS, (12, 5))
    of("outer", lambda x: torch.outer(x[0, 0], x[0, 1]), ROWS)
    of("dot", lambda x: torch.dot(x[0, 0], x[0, 1]).reshape(1), ROWS)
    of("mv", lambda x: torch.mv(x[0], torch.ones(12)), ROWS)
    of(
        "einsum bchw,bkhw->bck",
        lambda x, y: torch.einsum("bchw,bkhw->bck", x, y),
        IMAGE,
        IMAGE,
    )
    of(
        "einsum bij,bjk->bik",
        lambda x, y: torch.einsum("bij,bjk->bik", x, y),
        ROWS,
        (12, 5),
    )
    of("einsum trace", lambda x: torch.einsum("bii->bi", x[:, :, :7]), ROWS)
    of("einsum ellipsis", lambda x: torch.einsum("...ij->...ji", x), IMAGE)
    of("einsum heads", lambda x, y: torch.einsum("bhid,bhjd->bhij", x, y), IMAGE, IMAGE)
    of(
        "einsum three",
        lambda x, y, z: torch.einsum("bi,bj,bk->bijk", x, y, z),
        (3,),
        (4,),
        (5,),
    )
    of("kron", lambda x: torch.kron(x[0], torch.ones(2, 3)), ROWS)
    of("cross", lambda x, y: torch.linalg.cross(x, y), (7, 3), (7, 3))
    of("tensordot", lambda x: torch.tensordot(x, torch.ones(7, 12, 2), 2), ROWS)
    of("det", lambda x: torch.linalg.det(x), (3, 3))
    of("inverse", lambda x: torch.linalg.inv(x + 5 * torch.eye(3)), (3, 3))
    of(
        "solve",
        lambda x: torch.linalg.solve(x + 5 * torch.eye(3), torch.ones(3, 2)),
        (3, 3),
    )
    of(
        "cholesky",
        lambda x: torch.linalg.cholesky(x @ x.transpose(1, 2) + torch.eye(3)),
        (3, 3),
    )
    of("matrix_exp", lambda x: torch.linalg.matrix_exp(x * 0.1), (3, 3))
    of("matrix_power", lambda x: torch.linalg.matrix_power(x, 3), (3, 3))


_indexing()
_shapes()
_algebra()
