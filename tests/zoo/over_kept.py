"""Statistics over what stays: norms, means, softmax and extremes that leave silent elements out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor


def leaves(result: Any) -> list[Tensor]:
    """Every tensor of a nested result, in order; data classes by field."""
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        result = [getattr(result, field.name) for field in dataclasses.fields(result)]
    if isinstance(result, Tensor):
        return [result]
    if isinstance(result, Mapping):
        result = list(result.values())
    if isinstance(result, list | tuple):
        return [tensor for part in result for tensor in leaves(part)]
    return []


def reduced_dims(arguments: Mapping[str, Any], rank: int) -> list[int]:
    dims = arguments.get("dim")
    if dims is None or dims == []:
        return list(range(rank))
    return [d % rank for d in ([dims] if isinstance(dims, int) else dims)]


def _moments(x: Tensor, keep: Tensor, dims: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Count, mean and summed squared distance of what stays."""
    count = keep.sum(dims, keepdim=True).clamp(min=1)
    mean = (x * keep).sum(dims, keepdim=True) / count
    return count, mean, (((x - mean) * keep) ** 2).sum(dims, keepdim=True)


def _scaled(value: Tensor, arguments: Mapping[str, Any], rank: int) -> Tensor:
    weight, bias = arguments.get("weight"), arguments.get("bias")
    shape = [-1, *[1] * (rank - 2)] if "normalized_shape" not in arguments else None
    if weight is not None:
        value = value * (weight.reshape(shape) if shape else weight)
    if bias is not None:
        value = value + (bias.reshape(shape) if shape else bias)
    return value


def _layer_norm(x: Tensor, keep: Tensor, arguments: Mapping[str, Any]) -> list[Tensor]:
    dims = list(range(x.dim() - len(arguments["normalized_shape"]), x.dim()))
    count, mean, squares = _moments(x, keep, dims)
    normal = (x - mean) / (squares / count + arguments["eps"]).sqrt()
    return [_scaled(normal, arguments, x.dim())]


def _rms_norm(x: Tensor, keep: Tensor, arguments: Mapping[str, Any]) -> list[Tensor]:
    dims = list(range(x.dim() - len(arguments["normalized_shape"]), x.dim()))
    eps = arguments["eps"] or torch.finfo(x.dtype).eps
    count = keep.sum(dims, keepdim=True).clamp(min=1)
    square = ((x * keep) ** 2).sum(dims, keepdim=True) / count
    return [_scaled(x / (square + eps).sqrt(), arguments, x.dim())]


def _group_norm(x: Tensor, keep: Tensor, arguments: Mapping[str, Any]) -> list[Tensor]:
    apart = (x.shape[0], arguments["group"], -1)
    parts, stays = x.reshape(apart), keep.reshape(apart)
    count, mean, squares = _moments(parts, stays, [2])
    normal = (parts - mean) / (squares / count + arguments["eps"]).sqrt()
    return [_scaled(normal.reshape(x.shape), arguments, x.dim())]


def _batch_norm(x: Tensor, keep: Tensor, arguments: Mapping[str, Any]) -> list[Tensor]:
    if not arguments["training"]:
        return []
    count, mean, squares = _moments(x, keep, [0, *range(2, x.dim())])
    normal = (x - mean) / (squares / count + arguments["eps"]).sqrt()
    return [_scaled(normal, arguments, x.dim())]


def _weight_norm(v: Tensor, keep: Tensor, arguments: Mapping[str, Any]) -> list[Tensor]:
    dims = [d for d in range(v.dim()) if d != arguments["dim"] % v.dim()]
    return [v * (arguments["g"] / ((v * keep) ** 2).sum(dims, keepdim=True).sqrt())]


def _mean(x: Tensor, keep: Tensor, arguments: Mapping[str, Any]) -> list[Tensor]:
    dims = reduced_dims(arguments, x.dim())
    mean = (x * keep).sum(dims, keepdim=True) / keep.sum(dims, keepdim=True).clamp(
        min=1
    )
    return [_kept_dims(mean, dims, arguments)]


def _spread(x: Tensor, keep: Tensor, arguments: Mapping[str, Any]) -> Tensor:
    dims = reduced_dims(arguments, x.dim())
    count, _, squares = _moments(x, keep, dims)
    correction = arguments.get("correction")
    if correction is None:
        correction = 1 if arguments.get("unbiased", True) else 0
    return _kept_dims(squares / (count - correction).clamp(min=1), dims, arguments)


def _kept_dims(value: Tensor, dims: list[int], arguments: Mapping[str, Any]) -> Tensor:
    return value if arguments.get("keepdim") else value.squeeze(dims)


def _without_gone(fill: float, run: Callable[..., Any]) -> Callable[..., list[Tensor]]:
    """A statistic that `fill` leaves as it is, for every element that is gone."""

    def filled(x: Tensor, keep: Tensor, arguments: Mapping[str, Any]) -> list[Tensor]:
        dims = reduced_dims(arguments, x.dim())
        value = torch.where(keep, x, torch.full_like(x, fill))
        result = run(value, dims, bool(arguments.get("keepdim")))
        return leaves(result)

    return filled


def _softmax(x: Tensor, dims: list[int], _: bool) -> Tensor:
    return torch.softmax(x, dims[0]).nan_to_num(0.0)


def _log_softmax(x: Tensor, dims: list[int], _: bool) -> Tensor:
    return torch.log_softmax(x, dims[0])


def _extreme(name: str) -> Callable[..., Any]:
    def run(x: Tensor, dims: list[int], keepdim: bool) -> Any:
        if name in ("amax", "amin", "logsumexp"):
            return getattr(torch, name)(x, dims, keepdim)
        return getattr(torch, name)(x, dims[0], keepdim)

    return run


LEAST, MOST = float("-inf"), float("inf")
OVER_KEPT: Mapping[str, Callable[[Tensor, Tensor, Mapping[str, Any]], list[Tensor]]] = {
    "native_layer_norm": _layer_norm,
    "_fused_rms_norm": _rms_norm,
    "native_group_norm": _group_norm,
    "native_batch_norm": _batch_norm,
    "_native_batch_norm_legit": _batch_norm,
    "_weight_norm_interface": _weight_norm,
    "mean": _mean,
    "var": lambda x, keep, a: [_spread(x, keep, a)],
    "std": lambda x, keep, a: [_spread(x, keep, a).sqrt()],
    "var_mean": lambda x, keep, a: [_spread(x, keep, a), *_mean(x, keep, a)],
    "std_mean": lambda x, keep, a: [_spread(x, keep, a).sqrt(), *_mean(x, keep, a)],
    "sum": lambda x, keep, a: [
        torch.sum(x * keep, reduced_dims(a, x.dim()), keepdim=bool(a.get("keepdim")))
    ],
    "linalg_vector_norm": lambda x, keep, a: [
        torch.linalg.vector_norm(
            x * keep, a["ord"], reduced_dims(a, x.dim()), bool(a.get("keepdim"))
        )
    ],
    "_softmax": _without_gone(LEAST, _softmax),
    "_safe_softmax": _without_gone(LEAST, _softmax),
    "_log_softmax": _without_gone(LEAST, _log_softmax),
    "amax": _without_gone(LEAST, _extreme("amax")),
    "max": _without_gone(LEAST, _extreme("max")),
    "logsumexp": _without_gone(LEAST, _extreme("logsumexp")),
    "argmax": _without_gone(LEAST, _extreme("argmax")),
    "amin": _without_gone(MOST, _extreme("amin")),
    "min": _without_gone(MOST, _extreme("min")),
    "argmin": _without_gone(MOST, _extreme("argmin")),
}
