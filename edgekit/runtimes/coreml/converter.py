"""Exported programs as Core ML's ML programs, by coremltools."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgekit.runtimes.coreml import archive
from edgekit.runtimes.coreml.logs import unlogged

OLDEST = "iOS16"
"""The oldest system that reads weights in 8 and 4 bits."""
_DATE = "com.github.apple.coremltools.conversion_date"
"""The same network gives the same file on every day."""


def converted(
    exported: Any, names: tuple[Sequence[str], Sequence[str]], *, half: bool
) -> Any:
    """The model of an exported program, computed in fp16 where `half`; inputs and outputs have
    these `names` and stay in fp32."""
    import numpy as np

    with unlogged():
        import coremltools as ct

    logging.getLogger("coremltools").setLevel(logging.ERROR)
    precision = ct.precision.FLOAT16 if half else ct.precision.FLOAT32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = exported.run_decompositions({})
        model = ct.convert(
            plain,
            convert_to="mlprogram",
            compute_precision=precision,
            minimum_deployment_target=getattr(ct.target, OLDEST),
            outputs=[ct.TensorType(dtype=np.float32) for _ in names[1]],
            skip_model_load=True,
        )
    spec = model.get_spec()
    spec.description.metadata.userDefined.pop(_DATE, None)
    ends = (*spec.description.input, *spec.description.output)
    for old, new in zip(
        [one.name for one in ends], [*names[0], *names[1]], strict=True
    ):
        if old != new:
            ct.utils.rename_feature(spec, old, new)
    return ct.models.MLModel(spec, weights_dir=model.weights_dir, skip_model_load=True)


def save(model: Any, path: Path) -> None:
    """Write a model as one file."""
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        folder = Path(name) / f"model{archive.FOLDER}"
        model.save(str(folder))
        archive.pack(folder, path)
