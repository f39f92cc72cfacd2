"""Files of the unpruned network against the budget: speed of a precision needs no cut."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.config import targets
from edgekit.export.workers import Variant
from edgekit.pipeline.evaluate import Benchmark
from edgekit.pipeline.frontier import MARGIN, Judged, keeping, most_accurate
from edgekit.types import Budget, Candidate, QuantConfig, QuantResult, QuantTrial
from edgekit.types.evaluation import PairedLoss
from tests.unit.bench.test_verdict import candidate, on_device

TARGET = targets.load("raspberrypi4", folders=[])
FP32 = candidate(precision="fp32", p50_ms=3.0, speedup=1.0)
INT8 = candidate(precision="int8", p50_ms=1.0, speedup=3.0, drop=0.004)


def within(
    budget: Budget, *candidates: Candidate, macs: int = 10**6, proven: bool = False
) -> str | None:
    unpruned = on_device(FP32) if proven else FP32
    timed = Benchmark(
        reference=FP32.evaluation,
        unpruned=(unpruned.measurement,),
        candidates=candidates or (FP32, INT8),
    )
    kept = keeping(timed, budget, TARGET, macs=macs, proven=proven, margin=MARGIN)
    best = most_accurate(kept)
    return best.artifact.name if best else None


@pytest.mark.parametrize(
    ("budget", "kept"),
    [
        (Budget(speedup=1.0), "litert-fp32"),
        (Budget(speedup=2.0, accuracy_drop=0.01), "litert-int8"),
        (Budget(speedup=2.0, accuracy_drop=0.001), None),
        (Budget(speedup=2.95), None),  # what is measured once more may be less
        (Budget(speedup=6.0), None),
        (Budget(), "litert-int8"),  # planned for as 2x
        (Budget(latency_ms=20), "litert-int8"),  # without the device as well
        (Budget(mmacs=1.0), "litert-fp32"),
        (Budget(mmacs=0.9), None),
        (Budget(size_mb=0.1, accuracy_drop=0.01), None),
        (Budget(memory_mb=29), None),
        (Budget(memory_mb=31), "litert-fp32"),
    ],
)
def test_nothing_is_cut_where_a_precision_keeps_every_budget(
    budget: Budget, kept: str | None
) -> None:
    assert within(budget) == kept


def test_the_most_accurate_file_counts_and_the_fastest_of_two_alike() -> None:
    exact = replace(INT8, accuracy_drop=0.0)
    assert within(Budget(speedup=1.0), FP32, INT8) == "litert-fp32"
    assert within(Budget(speedup=1.0), FP32, exact) == "litert-int8"


def test_milliseconds_of_the_device_itself_are_a_verdict() -> None:
    candidates = (on_device(FP32), on_device(INT8))
    assert within(Budget(latency_ms=0.9), *candidates, proven=True) is None
    assert within(Budget(latency_ms=1.1), *candidates, proven=True) == "litert-int8"
    assert within(Budget(latency_ms=4.0), *candidates, proven=True) == "litert-fp32"


def test_an_unknown_peak_of_memory_keeps_no_budget() -> None:
    unknown = replace(FP32.measurement, peak_memory_mb=None)
    assert within(Budget(memory_mb=31), replace(FP32, measurement=unknown)) is None


def test_a_precision_that_takes_the_accuracy_budget_gains_nothing() -> None:
    judged = Judged(candidates=(FP32, INT8))
    assert judged.gain(("litert", "int8"), 0.01) == 3.0
    assert judged.gain(("litert", "int8"), 0.005) == 0.0
    assert judged.gain(("litert", "int8"), None) == 3.0
    assert judged.gain(("litert", "int16x8"), None) == 0.0
    assert Judged().gain(("litert", "fp32"), 0.01) == 1.0


def searched(first: QuantConfig, chosen: QuantConfig) -> Candidate:
    trials = tuple(
        QuantTrial(quant_config=one, accuracy_drop=0.0, error=0.0)
        for one in (first, chosen)
    )
    found = QuantResult(
        quant_config=chosen, accuracy_drop=0.0, allowed=0.0, metric="accuracy",
        samples=9, trials=trials,
    )  # fmt: skip
    artifact = replace(INT8.artifact, name="unpruned-litert-int8", quantized=found)
    return replace(INT8, artifact=artifact)


def test_a_plan_goes_beside_the_file_that_is_quantized_as_it_is() -> None:
    """Ranges cost no time; layers in float and other operators do."""
    plain = QuantConfig()
    alike = searched(plain, QuantConfig(ranges="percentile"))
    other = searched(plain, QuantConfig(float_layers=("head",)))
    named = replace(INT8.artifact, name="litert-int8-weighted", quantized=None)
    weighted = replace(
        alike, artifact=replace(alike.artifact, name=f"unpruned-{named.name}")
    )
    form: Variant = ("litert", "int8")
    judged = Judged(candidates=(FP32, weighted, alike))
    assert judged.plain(form) is alike is judged.of(form)
    left = Judged(candidates=(FP32, weighted))
    assert left.plain(form) is None and left.of(form) is weighted, "what it ships as"
    assert Judged(candidates=(FP32,)).of(form) is None
    for one in (FP32, other, weighted):
        assert Judged(candidates=(one,)).plain(form) is None
    assert Judged(candidates=(weighted,)).gain(form, None) == 0.0


def test_a_plan_goes_beside_the_variant_that_ships() -> None:
    """Signed activations, which competing files have besides, take another time."""
    unsigned = QuantConfig(activations="unsigned")
    found = [searched(QuantConfig(), QuantConfig()), searched(unsigned, unsigned)]
    named = ("unpruned-onnxruntime-int8", "unpruned-onnxruntime-int8-unsigned")
    slow, fast = (
        replace(
            one,
            speedup=speedup,
            artifact=replace(one.artifact, name=name, runtime="onnxruntime"),
        )
        for one, name, speedup in zip(found, named, (1.8, 4.4), strict=True)
    )
    judged = Judged(candidates=(slow, fast))
    variant: Variant = ("onnxruntime", "int8", unsigned)
    assert judged.plain(variant) is fast and judged.gain(variant, None) == 4.4
    assert judged.plain(variant[:2]) is slow


def test_speed_just_kept_is_kept_in_the_report_and_not_relied_on() -> None:
    timed = Benchmark(
        reference=FP32.evaluation,
        unpruned=(FP32.measurement,),
        candidates=(FP32, INT8),
    )
    budget = Budget(speedup=2.95, accuracy_drop=0.01)
    kept = keeping(timed, budget, TARGET, macs=1, proven=False)
    assert kept == (INT8,)
    judged = Judged(candidates=timed.candidates, within=kept, stated=kept)
    assert judged.kept is INT8 and most_accurate(judged.safe) is None
    assert [point.within for point in judged.points("trained 1")] == [False, True]


def test_the_fastest_may_be_slower_than_what_is_assumed_without_a_budget() -> None:
    timed = Benchmark(
        reference=FP32.evaluation,
        unpruned=(FP32.measurement,),
        candidates=(FP32, INT8),
    )
    for budget, kept in (
        (Budget(accuracy_drop=0.001), (FP32,)),
        (Budget(accuracy_drop=0.001, speedup=2.0), ()),
    ):
        options = {"macs": 1, "proven": False}
        assert keeping(timed, budget, TARGET, **options, assumed=False) == kept
        assert keeping(timed, budget, TARGET, **options) == ()


@pytest.mark.parametrize(("samples", "sure"), [(200, False), (20_000, True)])
def test_a_network_cut_for_an_assumed_speed_needs_a_sure_accuracy(
    samples: int, sure: bool
) -> None:
    """0.8 +- 0.6 points of 200 samples may well be above 1, and of 20,000 they are not."""
    error = (0.008 / samples) ** 0.5
    loss = PairedLoss(drop=0.008, error=error, samples=samples, method="mcnemar")
    cut = replace(INT8, loss=loss)
    timed = Benchmark(
        reference=FP32.evaluation, unpruned=(FP32.measurement,), candidates=(cut,)
    )
    options = {"macs": 1, "proven": False, "cut": True}
    only = Budget(accuracy_drop=0.01)
    assert keeping(timed, only, TARGET, **options) == ((cut,) if sure else ())
    for budget in (Budget(accuracy_drop=0.01, speedup=2.0), Budget(speedup=2.0)):
        assert keeping(timed, budget, TARGET, **options) == (cut,)


def test_a_point_keeps_a_limit_as_its_file_does() -> None:
    """Metrics that count nothing are rounded: half of a unit in the last place loses nothing."""
    value = replace(FP32.evaluation, value=0.5, correct=None, counted=None)
    for relative in (False, True):
        one = replace(
            FP32, evaluation=value, accuracy_drop=0.01 + 5e-8, relative_drop=relative
        )
        [point] = Judged(candidates=(one,)).points("uncut")
        for limit in (0.01, 0.0099):
            assert point.keeps(limit) == one.keeps(limit) == (limit == 0.01)
