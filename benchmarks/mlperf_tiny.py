"""MLPerf Tiny's networks from their Keras files, built whole, beside the int8 files of MLPerf.

    python -m benchmarks.mlperf_tiny MODELS [--data ZIP] [--rows NAME ...] [--again]

`MODELS` is a folder with the files of mlcommons/tiny. Each network is imported, cut, distilled,
quantized and exported by `edgekit.build` with `accuracy_drop`; then both int8 files answer the same
test samples on LiteRT, and `edgekit bench --against` times them in turns. Labels are the data
set's own, or where no labeled data are free to copy, the float network's decisions on made inputs:
such a row states agreement with the float network, not accuracy.
A SavedModel needs TensorFlow: `EDGEKIT_TENSORFLOW_PYTHON`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import edgekit as ek
from benchmarks import mlperf_data as data
from benchmarks.mlperf_data import Array, Part, Samples
from benchmarks.results import Row, Table
from edgekit.errors import BudgetMissed
from edgekit.store import Store
from edgekit.types import (
    BenchRecipe,
    DistillRecipe,
    ExportRecipe,
    QuantizeRecipe,
    TaskSpec,
)

ROOT = Path(__file__).parents[1]
PACKAGES = ("torch", "ai-edge-litert", "litert-torch")
TARGETS = ("raspberrypi4", "host")
DROP = 0.01
"""Of the metric, against the float network."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network of MLPerf Tiny, the file that MLPerf ships, and how it is built here."""

    source: str
    reference: str | None
    """`None` where MLPerf's file is of another form."""
    samples: data.Maker
    same_weights: bool = True
    """False where MLPerf's file was trained apart from the network: the outputs of int8 alone,
    made here, stand in for its own."""
    student: str | None = None
    """A smaller network, trained by the source; `None` is the source itself, cut."""
    task: TaskSpec = field(default_factory=TaskSpec)
    targets: tuple[str, ...] = TARGETS
    budget: ek.Budget = field(default_factory=lambda: ek.Budget(accuracy_drop=DROP))
    distill: DistillRecipe = field(default_factory=DistillRecipe)
    recipe: ek.Recipe = field(default_factory=lambda: ek.Recipe(minutes=0))


CASES: Mapping[str, Case] = {
    "anomaly_detection": Case(
        source="ad01.h5",
        reference=None,
        same_weights=False,
        samples=data.anomalies,
        task=TaskSpec(kind="regression", metric="r2"),
        distill=DistillRecipe(epochs=30, optimizer="adamw", augment="none"),
    ),
    "keyword_spotting": Case(
        source="kws_ref_model",
        reference="kws_ref_model.tflite",
        same_weights=False,
        samples=data.keywords,
        distill=DistillRecipe(epochs=8, augment="none"),
        recipe=ek.Recipe(objective="fastest", minutes=0),
    ),
    "image_classification": Case(
        source="pretrainedResnet.h5",
        reference="pretrainedResnet_quant.tflite",
        samples=data.images,
        distill=DistillRecipe(epochs=6, augment="shift-flip", soft_weight=0.5),
    ),
    "visual_wake_words": Case(
        source="vww_96.h5",
        reference="vww_96_int8.tflite",
        samples=data.people,
        distill=DistillRecipe(epochs=4, augment="none"),
    ),
    "image_classification_large": Case(
        source="pretrainedResnet_large_float.tflite",
        reference="pretrainedResnet_large_int8.tflite",
        samples=data.images,
        targets=("host",),
        budget=ek.Budget(accuracy_drop=0.0, speedup=7.0),
        distill=DistillRecipe(
            epochs=4, augment="shift-flip", views=2, soft_weight=0.5, losses={}
        ),
    ),
    "image_classification_distilled": Case(
        source="pretrainedResnet_large_float.tflite",
        student="pretrainedResnet.h5",
        reference="pretrainedResnet_quant.tflite",
        samples=data.images,
        targets=("host",),
        budget=ek.Budget(accuracy_drop=0.04),
        distill=DistillRecipe(
            epochs=10, augment="shift-flip", views=2, soft_weight=0.5, losses={}
        ),
    ),
}


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    table = Table("mlperf_tiny", ("name", "target"), PACKAGES)
    for name in arguments.rows or CASES:
        for target in arguments.targets or CASES[name].targets:
            if arguments.again or table.find(name=name, target=target) is None:
                table.add(row := _row(name, target, arguments), summary)
                print(json.dumps(row, indent=1), flush=True)
    print(summary(list(table.rows.values())))


def _row(name: str, target: str, arguments: argparse.Namespace) -> Row:
    models = arguments.models
    case = _with_student(CASES[name], models)
    network = ek.load(models / case.source)
    samples = _samples(name, network, arguments.data)
    out = Store().root / "mlperf_tiny" / f"{name}-{target}"
    started = time.perf_counter()
    report = _build(case, network, samples, target, out)
    seconds = time.perf_counter() - started
    reference = _reference(case, network, samples, models, out)
    chosen = next(each for each in report["candidates"] if each["chosen"])
    files = (out / "model.tflite", reference.answers)
    scores = _scores(case, network, samples.test, files)
    return {
        "name": name,
        "target": target,
        "source": case.source,
        "reference": reference.described,
        "labels": samples.labels,
        "metric": "agreement" if samples.labels == data.NETWORK else "accuracy",
        "test_samples": len(samples.test.x),
        **scores,
        "precision": chosen["artifact"]["precision"],
        "verdicts": [{v["name"]: v["verdict"]} for v in report["verdicts"]],
        "parameters": [report[who]["parameters"] for who in ("teacher", "student")],
        "macs": [report[who]["macs"] for who in ("teacher", "student")],
        "kib": [p.stat().st_size // 1024 for p in (reference.timed, files[0])],
        "build_seconds": round(seconds),
        **_timed(files[0], reference.timed),
    }


def _with_student(case: Case, models: Path) -> Case:
    """The case with the place of its student, where it has one, in its recipe."""
    if case.student is None:
        return case
    student = str((models / case.student).resolve())
    return replace(case, distill=replace(case.distill, student=student))


def _samples(name: str, network: ek.Network, archive: Path) -> Samples:
    """The samples of a network, made once."""
    place = Store().root / "mlperf_tiny" / f"{name}.npz"
    if not place.is_file():
        made = CASES[name].samples(network, archive)
        place.parent.mkdir(parents=True, exist_ok=True)
        parts = {"train": made.train, "validation": made.validation, "test": made.test}
        arrays = {f"{n}_{k}": v for n, p in parts.items() for k, v in vars(p).items()}
        np.savez(place, labels=np.array(made.labels), **arrays)
    with np.load(place) as kept:
        parts = {
            n: Part(x=kept[f"{n}_x"], y=kept[f"{n}_y"])
            for n in ("train", "validation", "test")
        }
        return Samples(labels=str(kept["labels"]), **parts)


def _data(case: Case, samples: Samples) -> ek.Data:
    return ek.Data(
        train=(samples.train.x, samples.train.y),
        validation=(samples.validation.x, samples.validation.y),
        test=(samples.test.x, samples.test.y),
        task=case.task,
    )


def _build(
    case: Case, network: ek.Network, samples: Samples, target: str, out: Path
) -> Row:
    """The report of a whole build; a bundle over its budget counts as what it is."""
    image = len(network.inputs[0].shape) == 3
    recipe = replace(
        case.recipe,
        distill=case.distill,
        export=ExportRecipe(
            runtimes=("litert",), litert_layout="nhwc" if image else "nchw"
        ),
        quantize=QuantizeRecipe(qat="never"),
        bench=BenchRecipe(runtime_options_s=0),
    )
    given = _data(case, samples)
    try:
        ek.build(
            network, given, target=target, out=out, budget=case.budget, recipe=recipe
        )
    except BudgetMissed as error:
        print(error, flush=True)
    report: Row = json.loads((out / "report.json").read_text())
    return report


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The file whose latency is compared, the one whose answers are, and both in words."""

    timed: Path
    answers: Path
    described: str


def _reference(
    case: Case, network: ek.Network, samples: Samples, models: Path, out: Path
) -> Reference:
    """The files to compare with: MLPerf's where it has the network's weights."""
    if case.same_weights:
        assert case.reference
        shipped = models / case.reference
        return Reference(
            timed=shipped, answers=shipped, described=f"MLPerf's {case.reference}"
        )
    made = ek.quantize(
        network,
        runtime="litert",
        calibration=_data(case, samples),
        out=out.with_name(f"{out.name}-int8"),
    ).files[0]
    said = "int8 alone, made here: MLPerf's file has other weights"
    if case.reference is None:
        return Reference(timed=made, answers=made, described=said)
    said = f"answers of {said}; latency of MLPerf's {case.reference}"
    return Reference(timed=models / case.reference, answers=made, described=said)


def _scores(
    case: Case, network: ek.Network, test: Part, files: tuple[Path, Path]
) -> Row:
    """The float network and both files on the same samples.

    An autoencoder decides by its error: above the float network's median is an anomaly.
    """
    found = [data.outputs(network, test.x), *(_answers(file, test.x) for file in files)]
    if case.task.kind != "regression":
        right = [float((each.argmax(1) == test.y).mean()) for each in found]
        return dict(zip(("float", "ours", "theirs"), right, strict=True))
    errors = [np.square(each - test.x).mean(1) for each in found]
    decided = [each > np.median(errors[0]) for each in errors]
    agreed = [float((each == decided[0]).mean()) for each in decided]
    return {
        **dict(zip(("float", "ours", "theirs"), agreed, strict=True)),
        "squared_error": [float(each.mean()) for each in errors],
    }


def _answers(file: Path, x: Array) -> Array:
    """Outputs of a TFLite file, as floats, of inputs (n, *input shape), channels first."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file), num_threads=1)
    interpreter.allocate_tensors()
    [given], [taken] = interpreter.get_input_details(), interpreter.get_output_details()
    if x.ndim == 4 and tuple(given["shape"][1:]) != x.shape[1:]:
        x = x.transpose(0, 2, 3, 1)
    rows = []
    for sample in _stored(x, given):
        interpreter.set_tensor(given["index"], sample[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(taken["index"])[0])
    return _real(np.stack(rows), taken)


def _stored(x: Array, tensor: Mapping[str, Any]) -> Array:
    scale, zero = tensor["quantization"]
    if not scale:
        return x.astype(tensor["dtype"])
    limits = np.iinfo(tensor["dtype"])
    whole = np.round(x / scale) + zero
    stored: Array = whole.clip(limits.min, limits.max).astype(tensor["dtype"])
    return stored


def _real(stored: Array, tensor: Mapping[str, Any]) -> Array:
    scale, zero = tensor["quantization"]
    real: Array = (stored.astype(np.float32) - zero) * scale if scale else stored
    return real


def _timed(ours: Path, theirs: Path) -> Row:
    """`edgekit bench --against`: launches in turns, LiteRT, one thread."""
    words = ("bench", str(ours), "--against", str(theirs), "--json", "--energy", "none")
    done = subprocess.run(
        [sys.executable, "-m", "edgekit", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout.strip():
        raise SystemExit(done.stderr)
    paired = json.loads(done.stdout)["paired"]
    mine, other = paired["measurements"]
    return {
        "latency_ratio": paired["ratio"],
        "latency_ratio_bounds": [paired["low"], paired["high"]],
        "pairs": paired["pairs"],
        "ours_p50_ms": mine["latency"]["p50_ms"],
        "theirs_p50_ms": other["latency"]["p50_ms"],
    }


def summary(rows: list[Row]) -> Row:
    """Of rows: how many kept the budget, were as good as MLPerf's file, were surely faster.

    Agreement with the float network on made inputs is not accuracy: such rows are never as good.
    """
    return {
        "rows": len(rows),
        "kept_budget": sum(
            all(v == "fits" for one in row["verdicts"] for v in one.values())
            for row in rows
        ),
        "as_good": sum(
            row["labels"] == "dataset" and row["ours"] >= row["theirs"] for row in rows
        ),
        "surely_faster": sum(row["latency_ratio_bounds"][1] < 1 for row in rows),
        "accuracy_drop": DROP,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", type=Path)
    shared = ROOT.parent / "shared"
    parser.add_argument("--data", type=Path, default=shared / "data/cifar10-jpeg.zip")
    parser.add_argument("--rows", nargs="*", choices=[*CASES], metavar="NAME")
    parser.add_argument("--targets", nargs="*", choices=TARGETS)
    parser.add_argument("--again", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
