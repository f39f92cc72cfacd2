"""Weights from a file into a network: checkpoints as training scripts write them.

A file may hold one state dict or several, inside dictionaries, under names that wrappers changed.
Every way of reading it is held against the network's own names and shapes: one that fits is
taken, several that differ are never chosen between.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from edgekit.errors import ModelError
from edgekit.safe_io import reading
from edgekit.suggestions import suggest_path

Weights = Mapping[str, Tensor]

_WRAPPERS = frozenset(
    ("module", "_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module")
)
"""Parts of names that parallel training, torch.compile and averaging put in."""
_COUNTERS = frozenset(
    ("num_batches_tracked", "n_averaged", "total_ops", "total_params")
)
"""Last parts of names that count and take no part in the network's work."""
_DEPTH = 3
"""Dictionaries inside each other that are looked through."""
_NAMED = 3
"""Number of offending keys that an error names."""


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """One way to read a file: the tensors under a key whose names begin with a prefix."""

    key: str
    prefix: str
    weights: Weights
    """By the network's names, where it has them."""
    fitting: int
    """Number of the network's tensors that are there, in its shapes."""

    @property
    def place(self) -> str:
        return ".".join(part for part in (self.key, self.prefix) if part)


def apply(
    module: nn.Module, reference: str, root: Path, *, allow_pickle: bool = False
) -> None:
    """Copy weights into `module`, every one of them.

    `reference` is a file relative to `root`; `file.pt#key` names the key, or the prefix of names,
    of one set of weights among several. Raises `ModelError` unless exactly one set fits.
    """
    path, key = _split(reference, root)
    with reading(path, ModelError, kind="weights"):
        stored = read_file(path, allow_pickle=allow_pickle)
    own = module.state_dict()
    readings = [
        reading
        for found, tensors in _sets(stored)
        for reading in _readings(own, found, tensors)
        if not key or key in (reading.place, reading.key)
    ]
    if not readings:
        raise _nothing(path, stored, key)
    best = _chosen(readings, path)
    _compare(own, best.weights, path)
    _check_finite(best.weights, path)
    empty = any(tensor.is_meta for tensor in own.values())
    module.load_state_dict(dict(best.weights), strict=False, assign=empty)


def check_finite(module: nn.Module, place: str) -> None:
    """Raise `ModelError` where a parameter of `module` is not finite."""
    parameters = {n: p for n, p in module.named_parameters() if not is_lazy(p)}
    _check_finite(parameters, place)


def _check_finite(weights: Weights, place: Path | str) -> None:
    for name, tensor in weights.items():
        whole = tensor.is_floating_point() or tensor.is_complex()
        if tensor.is_meta or not whole or tensor.isfinite().all():
            continue
        nans = int(tensor.isnan().sum())
        if nans or not name.rpartition(".")[2].endswith("mask"):
            what = "NaN" if nans else "infinite"
            count = nans or int((~tensor.isfinite()).sum())
            raise ModelError(
                f"{place}: {name} has {count} {what} of {tensor.numel()} values. "
                "Take the weights of an earlier epoch, from before the training diverged."
            )


def _split(reference: str, root: Path) -> tuple[Path, str]:
    """The file, and what of it is asked for."""
    path = root / reference
    if "#" in reference and not path.is_file():
        name, _, key = reference.rpartition("#")
        return root / name, key.rstrip(".")
    return path, ""


def read_file(path: Path, *, allow_pickle: bool = False) -> Any:
    """The content of a file of weights: a state dict, or dictionaries around some.

    Raises `ModelError` for damaged files, and for pickles of more than tensors unless
    `allow_pickle`.
    """
    if not path.is_file():
        raise ModelError(
            f"No weights at {path}.{suggest_path(path)} Check [model] weights."
        )
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    refuse_script(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not allow_pickle:
            raise ModelError(
                f"{path} is a pickle with more than tensors in it, and opening one runs code "
                "from the file. Save the state dict as .safetensors, or, if you trust the "
                "file, pass --allow-pickle."
            ) from error
        return _unpickle(path)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise _unreadable(path, error) from error


def refuse_script(path: Path) -> None:
    """Raise `ModelError` for an archive of TorchScript: one with compiled code."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError):
        return
    if any(name.endswith("/constants.pkl") for name in names):
        raise ModelError(
            f"{path} is TorchScript, which keeps compiled code beside its weights, and no "
            "network can be traced from that. Where you trust it, save the weights alone, "
            f"torch.save(torch.jit.load('{path.name}').state_dict(), 'weights.pt'), and name "
            "the function that builds the network."
        )


def _read_safetensors(path: Path) -> Weights:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights: Weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error
    return weights


def _unpickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ModelError:
    reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
    return ModelError(
        f"Cannot read weights from {path} ({reason}). "
        "Write them with safetensors.torch.save_file or torch.save(model.state_dict())."
    )


def _nothing(path: Path, stored: Any, key: str) -> ModelError:
    there = ", ".join(found for found, _ in _sets(stored) if found)
    if key:
        return ModelError(
            f"{path} has no weights at '{key}'. Keys with weights: {there or 'none'}."
        )
    return ModelError(
        f"{path} holds {type(stored).__name__}, not a state dict. "
        "Write it with torch.save(model.state_dict())."
    )


def _sets(stored: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, Weights]]:
    """Every dictionary of named tensors in what was stored, by its keys from outside in."""
    if isinstance(stored, nn.Module):
        stored = stored.state_dict()
    if not isinstance(stored, Mapping) or depth > _DEPTH:
        return
    named = {n: t for n, t in stored.items() if isinstance(n, str)}
    tensors = {n: t for n, t in named.items() if isinstance(t, Tensor)}
    if tensors:
        yield key, tensors
    for name, value in named.items():
        yield from _sets(value, f"{key}.{name}".strip("."), depth + 1)


def _readings(own: Weights, key: str, tensors: Weights) -> Iterator[_Reading]:
    """The tensors under the network's names, for every prefix that one side may have more."""
    names = {_canonical(name): name for name in own}
    given = {_canonical(name): tensor for name, tensor in tensors.items()}
    own_prefixes = {""} | {_head(name) for name in names}
    for prefix in dict.fromkeys(("", *map(_head, given), *map(_two, given))):
        inside = {
            name.removeprefix(f"{prefix}."): tensor
            for name, tensor in given.items()
            if not prefix or name.startswith(f"{prefix}.")
        }
        added = max(
            sorted(own_prefixes),
            key=lambda before: _fitting(own, _named(inside, before, names)),
        )
        weights = _named(inside, added, names)
        yield _Reading(
            key=key, prefix=prefix, weights=weights, fitting=_fitting(own, weights)
        )


def _named(
    tensors: Weights, before: str, names: Mapping[str, str]
) -> dict[str, Tensor]:
    """The tensors with a prefix before their names, by the network's own spelling."""
    found = {}
    for name, tensor in tensors.items():
        whole = f"{before}.{name}" if before else name
        found[names.get(whole, whole)] = tensor
    return found


def _canonical(name: str) -> str:
    """A name without the parts that wrappers put in, older weight norm spelled as newer."""
    parts = [part for part in name.split(".") if part not in _WRAPPERS]
    spelled = re.sub(
        r"^(weight\w*)_g$", r"parametrizations.\1.original0", parts[-1] if parts else ""
    )
    spelled = re.sub(r"^(weight\w*)_v$", r"parametrizations.\1.original1", spelled)
    return ".".join((*parts[:-1], spelled))


def _head(name: str) -> str:
    return name.partition(".")[0] if "." in name else ""


def _two(name: str) -> str:
    parts = name.split(".")
    return ".".join(parts[:2]) if len(parts) > 2 else ""


def _fitting(own: Weights, weights: Weights) -> int:
    return sum(
        name in own and (is_lazy(own[name]) or own[name].shape == tensor.shape)
        for name, tensor in weights.items()
    )


def _chosen(readings: Sequence[_Reading], path: Path) -> _Reading:
    """The reading that fits the network best; `ModelError` where several differ."""
    most = max(reading.fitting for reading in readings)
    best = [reading for reading in readings if reading.fitting == most]
    others = [
        reading for reading in best if not _equal(reading.weights, best[0].weights)
    ]
    if most and others:
        places = [best[0], *others]
        named = " and ".join(f"'{reading.place}'" for reading in places[:_NAMED])
        ways = " or ".join(f'"{path.name}#{one.place}"' for one in places[:2])
        raise ModelError(
            f"{path} holds several sets of weights that fit the network: {named}. "
            f"Say which: weights = {ways}."
        )
    return best[0]


def _equal(one: Weights, other: Weights) -> bool:
    shared = one.keys() & other.keys()
    return all(
        torch.equal(one[name].nan_to_num(), other[name].nan_to_num()) for name in shared
    )


def _compare(own: Weights, weights: Weights, path: Path) -> None:
    """Raise unless `weights` has exactly the network's tensors, in its shapes."""
    given = {
        own[name].data_ptr() for name in weights if name in own and _has_data(own[name])
    }
    missing = [
        f"{name} {_shape(tensor)}"
        for name, tensor in own.items()
        if name not in weights
        and not _counts(name)
        and not (_has_data(tensor) and tensor.data_ptr() in given)  # tied: stored once
    ]
    unexpected = [
        f"{name} {list(tensor.shape)}"
        for name, tensor in weights.items()
        if name not in own and not _counts(name)
    ]
    different = [
        f"{name} {list(tensor.shape)} instead of {_shape(own[name])}"
        for name, tensor in weights.items()
        if name in own and not is_lazy(own[name]) and tensor.shape != own[name].shape
    ]
    problems = [
        f"{kind} {_few(names)}"
        for kind, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", different),
        )
        if names
    ]
    if problems:
        raise ModelError(
            f"{path} does not fit the network: {'; '.join(problems)}. "
            "Check that [model] source builds the network these weights were trained in."
        )


def _counts(name: str) -> bool:
    return name.rpartition(".")[2] in _COUNTERS


def _has_data(tensor: Tensor) -> bool:
    return not is_lazy(tensor) and not tensor.is_meta and tensor.numel() > 0


def _shape(tensor: Tensor) -> str:
    return "of its input's width" if is_lazy(tensor) else str(list(tensor.shape))


def _few(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
