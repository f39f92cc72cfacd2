"""Core ML packages with smaller weights, by coremltools: activations need Apple's own machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.runtimes.coreml import converter
from edgekit.runtimes.coreml.logs import unlogged
from edgekit.runtimes.coreml.metadata import model_of
from edgekit.runtimes.protocol import BaseQuantizer
from edgekit.types import Precision, QuantConfig

SOURCE = ".pt2"
"""Suffix of the exported program beside the file in fp32."""


class Quantizer(BaseQuantizer):
    """One network's files in less than fp32."""

    def layers(self) -> tuple[str, ...]:
        """None: nothing here can measure what a layer loses."""
        return ()

    def quantize(
        self, precision: Precision, quant_config: QuantConfig, path: Path
    ) -> None:
        """Write the network in `precision` to `path`; all of them compute in fp16."""
        import torch

        exported = torch.export.load(str(self._fp32.with_suffix(SOURCE)))
        described = model_of(self._fp32).description
        names = tuple(
            [one.name for one in side] for side in (described.input, described.output)
        )
        model = converter.converted(exported, (names[0], names[1]), half=True)
        converter.save(_reduced(model, precision), path)


def _reduced(model: Any, precision: Precision) -> Any:
    """The model with its larger weights in integers, or as numbers of a table's values."""
    with unlogged():
        import coremltools.optimize.coreml as reduce

    if precision == "int8-weights":
        symmetric = reduce.OpLinearQuantizerConfig(mode="linear_symmetric")
        config = reduce.OptimizationConfig(global_config=symmetric)
        return reduce.linear_quantize_weights(model, config)
    if precision == "palette4":
        tables = reduce.OpPalettizerConfig(mode="kmeans", nbits=4)
        config = reduce.OptimizationConfig(global_config=tables)
        return reduce.palettize_weights(model, config)
    return model
