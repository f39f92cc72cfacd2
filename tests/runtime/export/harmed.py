"""A network that int8 harms, exported in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgekit.export.mixing import Mixture
from edgekit.export.quantization_accuracy import QuantizationAccuracy, Validation
from edgekit.export.quantization_search import Search, search
from edgekit.program.program import load
from edgekit.runtimes import registry
from edgekit.runtimes.protocol import calibration_samples
from edgekit.types import Artifact, QuantConfig, QuantResult, TaskSpec
from tests.runtime.export.apart import one, sure

HARMED = 2
"""Layers at the ends of the harmed tensor."""


def made(
    apart: Any, harmed: Any, place: Path, runtime: str, **options: Any
) -> Artifact:
    program, samples, classes = harmed
    program.save(place / "net.pt2")
    recover = options.pop("recover", True)
    validation = replace(_validation(samples, classes, place), recover=recover)
    given = {
        "precision": "int8",
        "calibration": samples[:64],
        "validation": validation,
        **options,
    }
    source = place / "net.pt2"
    artifact: Artifact = apart.submit(
        one, runtime, place / "out", source, program.inputs, given
    ).result()
    return artifact


def _validation(samples: Any, classes: Any, place: Path) -> Validation:
    return Validation(
        inputs=samples, targets=classes, task=TaskSpec(), root=place, allowed=0.02
    )


@dataclass(frozen=True, kw_only=True)
class Priced:
    found: QuantResult
    layers: tuple[str, ...]
    """Those with weights that stay in float."""
    ranked: int
    """Files that only ranked layers, by fewer samples."""


def priced(name: str, place: Path, inputs: Any, samples: Any, classes: Any) -> Priced:
    """The search of a mixture in which every operator takes twice as long in float; an eighth of
    the samples rank the layers."""
    runtime = registry.get(name)
    exporter, suffix = runtime.exporter, runtime.suffix
    fp32, int8 = place / f"f{suffix}", place / f"i{suffix}"
    exporter.convert(load(place / "net.pt2", inputs), fp32)
    specs, _ = exporter.signature(fp32)
    given = calibration_samples((samples[:64],), specs)
    quantizer = exporter.quantizer(fp32, specs, given, place)
    ranking = exporter.quantizer(fp32, specs, given[:8], place)
    ranked: list[Path] = []

    def rank(config: QuantConfig, path: Path) -> None:
        ranked.append(path)
        ranking.quantize("int8", config, path)

    config = sure(name, "int8") or QuantConfig()
    quantizer.quantize("int8", config, int8)
    (place / "operators").mkdir()
    material = runtime.part("mixing").material(
        quantizer.network, int8, place / "operators"
    )
    times = dict.fromkeys(material.files(), 1.0)
    times |= {step.in_float: 20.0 for step in material.steps}
    times |= {step.in_int8: 10.0 for step in material.steps if step.in_int8}
    work = Search(
        write=lambda config, path: quantizer.quantize("int8", config, path),
        write_to_rank=rank,
        accuracy=QuantizationAccuracy(fp32, name, _validation(samples, classes, place)),
        layers=quantizer.layers,
        mixture=Mixture(material=material, times=times, timed=True),
        place=place,
        suffix=suffix,
    )
    first = replace(config, operators="mixed")
    found = search(work, first, runtime.ranges, "int8")
    kept = set(found.quant_config.float_operators)
    return Priced(
        found=found,
        layers=tuple(one for one in quantizer.layers() if one in kept),
        ranked=len(ranked),
    )
