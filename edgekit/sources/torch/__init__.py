"""A PyTorch network that a function of the user's builds, plus weights from a checkpoint."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.config.user_code import is_installed, is_reference
from edgekit.errors import ModelError
from edgekit.sources import Source
from edgekit.types import InputSpec, ModelSpec

if TYPE_CHECKING:
    import torch

    from edgekit.program.program import Program

CHECKPOINTS = (".pt", ".pth", ".th", ".ckpt", ".tar", ".safetensors", ".pkl", ".ts")
"""Suffixes of files of weights, or of networks whose code is compiled."""
_BUILDERS = ("build", "build_model", "create_model", "make_model", "get_model", "model")


def _load(
    model: ModelSpec,
    *,
    root: Path,
    allow_pickle: bool,
    inputs: Sequence[InputSpec],
    dtypes: Sequence[torch.dtype],
) -> Program:
    from edgekit.sources.torch.function import load
    from edgekit.sources.torch.weights import refuse_script

    if model.source.endswith(CHECKPOINTS):
        refuse_script(root / model.source)
        raise ModelError(
            f"{root / model.source} holds weights and not the code of their network. Name the "
            "function that builds it as the source, and this file as its weights: [model] "
            f'source = "model.py:build", weights = "{model.source}".'
        )
    return load(
        model, root=root, allow_pickle=allow_pickle, inputs=inputs, dtypes=dtypes
    )


def _find(folder: Path) -> str | None:
    """The function of a Python file that looks like it returns a network."""
    found = [
        (name, file.name)
        for file in sorted(folder.glob("*.py"))
        for name in _functions(file)
    ]
    return next(
        (
            f"{place}:{name}"
            for requested in _BUILDERS
            for name, place in found
            if name == requested
        ),
        None,
    )


def _functions(file: Path) -> list[str]:
    """Top-level functions of `file` that can be called without arguments."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return []
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and len(node.args.args) == len(node.args.defaults)
    ]


def _recognizes(reference: str, root: Path) -> bool:
    named = is_reference(reference) or is_installed(reference)
    return named or (reference.endswith(CHECKPOINTS) and (root / reference).is_file())


RECORD = Source(
    form="'file.py:function' or 'package.module:function'",
    recognizes=_recognizes,
    load=_load,
    find=_find,
    has_weights=False,
    has_inputs=False,
)
