"""ncnn's files with weights of 16 bits, which ncnn widens where it computes in fp32."""

from __future__ import annotations

from pathlib import Path

from edgekit.agent.runtimes.ncnn import trailer
from edgekit.runtimes.ncnn.metadata import with_trailer
from edgekit.runtimes.ncnn.pnnx import convert
from edgekit.runtimes.protocol import BaseQuantizer
from edgekit.types import Precision, QuantConfig

SOURCE = ".pt"
"""Suffix of the TorchScript beside the file in fp32."""


class Quantizer(BaseQuantizer):
    """One network's files in less than fp32."""

    def layers(self) -> tuple[str, ...]:
        """None: nothing is quantized to integers."""
        return ()

    def quantize(
        self, precision: Precision, quant_config: QuantConfig, path: Path
    ) -> None:
        """Write the network in `precision`, which is fp16, to `path`."""
        described = trailer(self._fp32.read_text("utf-8"))
        shapes = [(tuple(one["shape"]), one["source"]) for one in described["inputs"]]
        convert(self._fp32.with_suffix(SOURCE), shapes, path, fp16=True)
        text = path.read_text("utf-8")
        path.write_text(with_trailer(text, described), "utf-8")
