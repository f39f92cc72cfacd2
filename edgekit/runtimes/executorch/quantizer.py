"""ExecuTorch programs in int8, by the quantizer that PyTorch has for XNNPACK."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.agent.runtimes.executorch import trailer
from edgekit.runtimes.executorch.lowering import lowered
from edgekit.runtimes.executorch.metadata import with_trailer
from edgekit.runtimes.float_ends import Operator, in_float
from edgekit.runtimes.protocol import BaseQuantizer
from edgekit.types import Precision, QuantConfig

SOURCE = ".pt2"
"""Suffix of the exported program beside the file in fp32."""
_WEIGHTED = ("conv", "linear", "addmm", "matmul", "mm", "bmm")


class Quantizer(BaseQuantizer):
    """One network's quantized files."""

    def layers(self) -> tuple[str, ...]:
        """Names of the operators with weights, in the order of the graph."""
        return tuple(one.name for one in _operators(self._module()) if one.weighted)

    def quantize(
        self, precision: Precision, quant_config: QuantConfig, path: Path
    ) -> None:
        """Write the network in `precision` to `path`."""
        import torch
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        module = self._module()
        kept = {*quant_config.float_layers, *quant_config.float_operators}
        kept.update(in_float(_operators(module), quant_config))
        feeds = [
            tuple(torch.from_numpy(value.copy()) for value in sample.values())
            for sample in self._samples
        ] or [_example(module)]
        dynamic = precision == "int8-dynamic"
        rule = _rule(quant_config.ranges, dynamic=dynamic, kept=frozenset(kept))
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            prepared = prepare_pt2e(module, rule)
            for feed in feeds:
                prepared(*feed)
            made = convert_pt2e(prepared)
            content = lowered(torch.export.export(made, feeds[0], strict=False))
        path.write_bytes(with_trailer(content, trailer(self._fp32.read_bytes())))

    def _module(self) -> Any:
        import torch

        source = self._fp32.with_suffix(SOURCE)
        return torch.export.load(str(source)).module(check_guards=False)


def _rule(ranges: str, *, dynamic: bool, kept: frozenset[str]) -> Any:
    """The quantizer for XNNPACK, which leaves the operators `kept` in float."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )

    config = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=dynamic)
    if not dynamic and ranges != "percentile":
        config = _with_observer(config, ranges)
    rule = XNNPACKQuantizer().set_global(config)
    if kept:
        rule.set_filter_function(lambda node: node.name not in kept)
    return rule


def _with_observer(config: Any, ranges: str) -> Any:
    """The same with activations' ranges by another observer than histograms."""
    from torchao.quantization.pt2e import MinMaxObserver, MovingAverageMinMaxObserver

    observer = MinMaxObserver if ranges == "min-max" else MovingAverageMinMaxObserver
    activations = replace(
        config.input_activation,
        observer_or_fake_quant_ctr=observer.with_args(eps=2**-12),
    )
    return replace(config, input_activation=activations, output_activation=activations)


def _example(module: Any) -> tuple[Any, ...]:
    """Zeros in the shapes of a module's inputs, where no samples are needed."""
    import torch

    return tuple(
        torch.zeros_like(node.meta["val"], device="cpu")
        for node in module.graph.find_nodes(op="placeholder")
    )


def _operators(module: Any) -> Iterator[Operator]:
    for node in module.graph.nodes:
        if node.op == "call_function":
            kind = str(getattr(node.target, "__name__", node.target)).split(".")[0]
            yield Operator(
                name=node.name,
                kind=kind,
                weighted=kind.startswith(_WEIGHTED),
                takes=tuple(one.name for one in node.all_input_nodes),
                gives=(node.name,),
            )
