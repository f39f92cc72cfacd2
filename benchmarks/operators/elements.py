"""Operators by element, reductions and orders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.operators.case import (
    IMAGE,
    ROWS,
    of,
)


def _elementwise() -> None:
    anywhere = (
        *(
            "abs",
            "neg",
            "sign",
            "sgn",
            "exp",
            "expm1",
            "exp2",
            "sin",
            "cos",
            "tan",
            "sinh",
        ),
        *("cosh", "tanh", "asinh", "atan", "erf", "erfc", "sigmoid", "square", "floor"),
        *(
            "ceil",
            "round",
            "trunc",
            "frac",
            "sinc",
            "isnan",
            "isinf",
            "isfinite",
            "logit",
        ),
        *(
            "relu",
            "nan_to_num",
            "signbit",
            "positive",
            "deg2rad",
            "rad2deg",
            "i0",
            "fix",
        ),
    )
    for name in anywhere:
        of(name, lambda x, name=name: getattr(torch, name)(x), IMAGE)
    for name in (
        "log",
        "log2",
        "log10",
        "log1p",
        "sqrt",
        "rsqrt",
        "reciprocal",
        "lgamma",
        "digamma",
    ):
        of(name, lambda x, name=name: getattr(torch, name)(x.abs() + 0.3), IMAGE)
    for name in ("asin", "acos", "atanh", "erfinv"):
        of(name, lambda x, name=name: getattr(torch, name)(torch.tanh(x) * 0.9), IMAGE)
    of("acosh", lambda x: torch.acosh(x.abs() + 1.1), IMAGE)
    of("round decimals", lambda x: torch.round(x, decimals=2), IMAGE)
    of("round halves", lambda x: torch.round(torch.round(x * 4) / 2), IMAGE)
    pairs = (
        *(
            "add",
            "sub",
            "mul",
            "div",
            "maximum",
            "minimum",
            "fmax",
            "fmin",
            "atan2",
            "hypot",
        ),
        *(
            "fmod",
            "remainder",
            "floor_divide",
            "logaddexp",
            "logaddexp2",
            "copysign",
            "xlogy",
        ),
        *("true_divide", "float_power", "ldexp", "nextafter", "heaviside"),
        *(
            "eq",
            "ne",
            "lt",
            "le",
            "gt",
            "ge",
            "logical_and",
            "logical_or",
            "logical_xor",
        ),
    )
    for name in pairs:
        function: Callable[..., Tensor] = getattr(torch, name)
        if name in ("float_power", "xlogy"):
            of(
                name,
                lambda x, y, f=function: f(x.abs() + 0.2, y.abs() + 0.2).float(),
                ROWS,
                ROWS,
            )
        else:
            of(name, lambda x, y, f=function: f(x, y), ROWS, ROWS)
    for scalar in (2, 3, 0.5, -1, -2, 0, 1.7):
        of(f"pow {scalar}", lambda x, s=scalar: (x.abs() + 0.2) ** s, IMAGE)
    for scalar in (2, 3, -1):
        of(f"pow {scalar} of negatives", lambda x, s=scalar: torch.pow(x, s), ROWS)
    of("pow tensor", lambda x, y: torch.pow(x.abs() + 0.1, y), ROWS, ROWS)
    of("scalar pow", lambda x: torch.pow(2.0, x), ROWS)
    for mode in ("floor", "trunc"):
        of(
            f"div {mode}",
            lambda x, y, m=mode: torch.div(x, y, rounding_mode=m),
            ROWS,
            ROWS,
        )
        of(
            f"div scalar {mode}",
            lambda x, m=mode: torch.div(x, 0.3, rounding_mode=m),
            ROWS,
        )
    for divisor in (0.7, -0.7, 2):
        of(f"remainder {divisor}", lambda x, d=divisor: torch.remainder(x * 3, d), ROWS)
        of(f"fmod {divisor}", lambda x, d=divisor: torch.fmod(x * 3, d), ROWS)
    of("rsub", lambda x: 1 - x, ROWS)
    of("add alpha", lambda x, y: torch.add(x, y, alpha=0.3), ROWS, ROWS)
    of("addcmul", lambda x, y: torch.addcmul(x, x, y, value=0.5), ROWS, ROWS)
    of("addcdiv", lambda x, y: torch.addcdiv(x, x, y.abs() + 1, value=0.5), ROWS, ROWS)
    of("lerp", lambda x, y: torch.lerp(x, y, 0.3), ROWS, ROWS)
    of("lerp tensor", lambda x, y: torch.lerp(x, y, y.sigmoid()), ROWS, ROWS)
    of("clamp", lambda x: x.clamp(-0.5, 0.7), ROWS)
    of("clamp min", lambda x: x.clamp(min=0.1), ROWS)
    of("clamp max", lambda x: x.clamp(max=0.1), ROWS)
    of("clamp tensors", lambda x, y: torch.clamp(x, y - 0.5, y + 0.1), ROWS, ROWS)
    of("clamp tensor min", lambda x, y: torch.clamp(x, min=y), ROWS, ROWS)
    of("where", lambda x, y: torch.where(x > y, x, y * 2), ROWS, ROWS)
    of("where scalar", lambda x: torch.where(x > 0, x, -1.0), ROWS)
    of("where scalars", lambda x: torch.where(x > 0, 1.0, -1.0), ROWS)
    of("masked_fill", lambda x: x.masked_fill(x > 0.5, -9.0), ROWS)
    of(
        "masked_fill -inf",
        lambda x: x.masked_fill(x > 0.5, float("-inf")).amax(-1),
        ROWS,
    )
    of("isclose", lambda x, y: torch.isclose(x.round(), y.round()), ROWS, ROWS)
    of("logical_not", lambda x: torch.logical_not(x > 0), ROWS)
    of("bitwise bool", lambda x: ((x > 0) & (x < 1)) | ~(x > -1) ^ (x > 0.5), ROWS)
    of("broadcast", lambda x, y: x.unsqueeze(2) * y.unsqueeze(1), ROWS, (5, 12))


def _reductions() -> None:
    for dims in ((1,), (2, 3), (-1,), (1, 3), (1, 2, 3)):
        for name in ("sum", "mean", "amax", "amin", "std", "var", "logsumexp"):
            for keep in (False, True):
                of(
                    f"{name} {dims} {keep}",
                    lambda x, name=name, d=dims, k=keep: getattr(torch, name)(
                        x, dim=d, keepdim=k
                    ),
                    IMAGE,
                )
    for name in (
        "argmax",
        "argmin",
        "prod",
        "any",
        "all",
        "median",
        "mode",
        "max",
        "min",
        "nanmean",
        "nansum",
        "cummax",
        "cummin",
        "logcumsumexp",
        "cumsum",
        "cumprod",
        "aminmax",
    ):
        function: Callable[..., Any] = getattr(torch, name)
        for dim in (1, -1):
            if name in ("any", "all"):
                of(
                    f"{name} {dim}",
                    lambda x, f=function, d=dim: f(x > -0.9, dim=d),
                    IMAGE,
                )
            else:
                of(f"{name} {dim}", lambda x, f=function, d=dim: f(x, dim=d), IMAGE)
    of("cumsum of ints", lambda x: torch.cumsum((x > 0).long(), 1), ROWS)
    of("cumsum of bools", lambda x: torch.cumsum(x > 0, 1), ROWS)
    of("sum of bools", lambda x: (x > 0).sum(-1), ROWS)
    of("count_nonzero", lambda x: torch.count_nonzero(x > 0, dim=1), ROWS)
    of("mean of bools", lambda x: (x > 0).float().mean(-1), ROWS)
    of("std biased", lambda x: x.std(1, unbiased=False), IMAGE)
    of("var correction", lambda x: torch.var(x, (2, 3), correction=0), IMAGE)
    of("var_mean", lambda x: torch.var_mean(x, (1,), keepdim=True), IMAGE)
    of("std_mean", lambda x: torch.std_mean(x, (1,)), IMAGE)
    for p in (1, 2, 3, 0, float("inf"), float("-inf"), 0.5):
        of(f"norm {p}", lambda x, q=p: torch.linalg.vector_norm(x, q, dim=1), IMAGE)
    of("norm fro", lambda x: torch.linalg.matrix_norm(x), IMAGE)
    of("norm old", lambda x: x.norm(dim=(2, 3), keepdim=True), IMAGE)
    of("max with indices", lambda x: x.max(1, keepdim=True), IMAGE)
    of("dist", lambda x, y: (x - y).flatten(1).norm(2, 1), ROWS, ROWS)
    of("diff", lambda x: torch.diff(x, dim=1), ROWS)
    of("trapezoid", lambda x: torch.trapezoid(x, dim=1), ROWS)
    of("quantile", lambda x: torch.quantile(x, 0.3, dim=1), ROWS)
    of("argmax flat", lambda x: x.flatten(1).argmax(1), IMAGE)
    of("argmax ties", lambda x: x.round().argmax(-1), IMAGE)
    of("argmin ties", lambda x: x.round().argmin(-1), IMAGE)


def _ordering() -> None:
    for down in (False, True):
        of(f"sort {down}", lambda x, d=down: torch.sort(x, dim=1, descending=d), ROWS)
        of(
            f"sort last {down}",
            lambda x, d=down: torch.sort(x, dim=-1, descending=d)[0],
            ROWS,
        )
        of(
            f"argsort {down}",
            lambda x, d=down: torch.argsort(x, -1, descending=d),
            ROWS,
        )
        of(f"topk largest={down}", lambda x, d=down: torch.topk(x, 3, largest=d), ROWS)
        of(
            f"topk dim 1 largest={down}",
            lambda x, d=down: torch.topk(x, 3, dim=1, largest=d),
            ROWS,
        )
    of("kthvalue", lambda x: torch.kthvalue(x, 3, dim=-1)[0], ROWS)
    of("searchsorted", lambda x: torch.searchsorted(torch.linspace(-1, 1, 5), x), ROWS)
    of("bucketize", lambda x: torch.bucketize(x, torch.linspace(-1, 1, 5)), ROWS)


_elementwise()
_reductions()
_ordering()
