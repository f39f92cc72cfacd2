"""Notes of every kind with the sentence that reports render: data for tests of both."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.types import (
    IOFusion,
    Link,
    Preprocess,
    QuantConfig,
    QuantResult,
    QuantTrial,
    RuntimeOptions,
)
from edgekit.types import data_notes as data
from edgekit.types import export_notes as files
from edgekit.types import notes as facts
from edgekit.types.evaluation import Score
from edgekit.types.measurement_notes import OperatorsUnmetered
from edgekit.types.training import RateTest

_PLAIN = QuantConfig()
_BETTER = QuantConfig(ranges="percentile", float_layers=("a", "b", "c", "d", "e"))
_LOST = QuantResult(
    quant_config=_PLAIN,
    accuracy_drop=0.031,
    allowed=0.005,
    metric="accuracy",
    samples=400,
    trials=(QuantTrial(quant_config=_PLAIN, accuracy_drop=0.031, error=0.2),),
)
_RECOVERED = QuantResult(
    quant_config=_BETTER,
    accuracy_drop=0.004,
    allowed=0.005,
    metric="accuracy",
    samples=400,
    trials=(
        QuantTrial(quant_config=_PLAIN, accuracy_drop=0.031, error=0.2),
        QuantTrial(quant_config=_BETTER, accuracy_drop=0.004, error=0.1),
    ),
    without_equalization=_LOST,
)
_LINK = Link(
    name="model.py:small",
    teacher="the unpruned network",
    metric="accuracy",
    before=0.5,
    after=0.93,
    is_fraction=True,
    parameters=1000,
    epoch=7,
)
_OFF = RuntimeOptions(options={"xnnpack": False})
_INCOMPATIBILITY = files.Incompatibility(
    cause="operator_missing",
    by="tflite-runtime 2.14.0",
    operator="STABLEHLO_SCATTER",
    layer="blocks.0.mix",
    fix="replace_scatter",
    or_64_bit=True,
)


def _out(problem: files.Incompatibility, *more: files.Incompatibility) -> files.LeftOut:
    return files.LeftOut(
        name="litert-int8",
        runtime="litert",
        precision="int8",
        refusals=(problem, *more),
    )


def _fault(**values: object) -> files.NotCompeting:
    fault = files.ParityFault(**values)  # type: ignore[arg-type]
    return files.NotCompeting(artifacts=("litert-int8", "litert-fp16"), fault=fault)


def _score(value: float) -> Score:
    return Score(metric="accuracy", value=value, is_fraction=True)


SENTENCES: tuple[tuple[facts.Note, str], ...] = (
    (
        data.WeightsUnnamed(source="model.py:build"),
        "no weights are named: model.py:build is used as it is built, with random weights "
        "unless it loads its own; name a file in [model] weights or with --weights",
    ),
    (
        data.ImagesStretched(
            place="train",
            images=3,
            of=9,
            smallest=(24, 40),
            largest=(48, 40),
            size=(16, 16),
        ),
        "train: 3 of 9 images are 40x24 to 40x48 pixels and are stretched to the input's "
        "16x16; right only where the network was trained on stretched images",
    ),
    (
        data.ImagesConverted(place="test", images=2, of=9, mode="CMYK", color="rgb"),
        "test: 2 of 9 images are CMYK: they have other colors, which are converted without "
        "their profile, and become rgb",
    ),
    (
        data.ImagesConverted(place="test", images=2, of=9, mode="RGBA", color="rgb"),
        "test: 2 of 9 images are RGBA: they have an alpha channel, which is dropped, and "
        "become rgb",
    ),
    (
        data.OutputsUnused(outputs=10, classes=4),
        "the network has 10 outputs, and the data 4 classes: outputs from 4 on are never "
        "right; check [model] source and [data]",
    ),
    (
        data.NetworkAtChance(
            score=Score(metric="accuracy", value=0.101, is_fraction=True),
            samples=360,
            chance=0.1,
        ),
        "the network has accuracy 10.10% on 360 samples, and guessing has 10.00%: it is not "
        "trained, or these are not its data; check [model] weights, [data] and the order of "
        "the classes",
    ),
    (
        data.ValidationFamiliar(
            score=Score(metric="accuracy", value=0.98, is_fraction=True),
            samples=1000,
            judged=Score(metric="accuracy", value=0.91, is_fraction=True),
            judged_samples=2287,
        ),
        "the unpruned network has accuracy 98.00% on 1,000 validation samples and 91.00% on "
        "the 2,287 that judge the build: it may have been trained on the former, or they are "
        "easier, and plans that were chosen by them may lose more than was expected; check "
        "that [data] validation names samples that it has never seen",
    ),
    (
        data.PreprocessingSuspect(
            faults=("BGR for RGB",),
            score=Score(metric="accuracy", value=0.34, is_fraction=True),
            better=Score(metric="accuracy", value=0.91, is_fraction=True),
            samples=256,
        ),
        "with another preprocessing (BGR for RGB) the network has accuracy 91.00% on 256 "
        "samples instead of 34.00%; check [data.preprocess]",
    ),
    (
        data.BaselineIsReference(),
        "the evaluation data have no labels: similarity is to the unpruned network",
    ),
    (
        data.BoxesLeftOut(origin="set", boxes=2, of=40),
        "set: 2 of 40 boxes have no area and are left out",
    ),
    (
        data.SamplesTransposed(origin="x.npz", shape=(8, 8, 3)),
        "x.npz: samples of shape [8, 8, 3] are taken as NHWC and transposed to NCHW",
    ),
    (
        data.CalibrationShort(preset="default", asked=128, samples=30),
        "preset 'default' asks for 128 samples; there are 30, all of which are used",
    ),
    (
        data.CalibrationRandom(),
        "calibration samples are drawn at random: the calibration data have no labels",
    ),
    (
        data.InputTransposed(
            input="x", artifact_shape=(8, 8, 3), network_shape=(3, 8, 8)
        ),
        "'x' takes NHWC [8, 8, 3] where the network takes NCHW [3, 8, 8]: samples were "
        "transposed for it",
    ),
    (
        _out(_INCOMPATIBILITY),
        "litert-int8 is left out: tflite-runtime 2.14.0 has no STABLEHLO_SCATTER; layer "
        "'blocks.0.mix' needs it. Write torch.scatter as indexing, a mask or a "
        "concatenation, or build for the board's 64-bit system, whose runtime is newer.",
    ),
    (
        _out(
            files.Incompatibility(
                cause="operator_too_new",
                by="tflite-runtime 2.14.0",
                operator="FULLY_CONNECTED",
                version=14,
                supported=10,
                fix="rewrite_layer",
            ),
            _INCOMPATIBILITY,
        ),
        "litert-int8 is left out: tflite-runtime 2.14.0 reads FULLY_CONNECTED up to version "
        "10, and this is version 14; layer 'the network's own forward()' needs it. Write "
        "that layer with other operators. (1 more)",
    ),
    (
        _out(
            files.Incompatibility(
                cause="opset_too_new",
                by="board",
                version=20,
                supported=18,
                fix="newer_runtime",
            )
        ),
        "litert-int8 is left out: the file is of ONNX opset 20; board reads 18; layer 'the "
        "network's own forward()' needs it. Update its ONNX Runtime, or choose another of "
        "its runtimes.",
    ),
    (
        _out(
            files.Incompatibility(
                cause="shape_dynamic",
                by="board",
                operator="Reshape",
                layer="head",
                fix="constant_size",
            )
        ),
        "litert-int8 is left out: Reshape gives a shape that depends on values, and board "
        "takes static shapes only; layer 'head' needs it. Make that size a constant.",
    ),
    (
        _out(
            files.Incompatibility(
                cause="operator_in_float",
                by="board",
                operator="SOFTMAX",
                layer="attention",
                fix="rewrite_layer",
            )
        ),
        "litert-int8 is left out: SOFTMAX stays in float, and board computes in int8 only; "
        "layer 'attention' needs it. Write that layer with other operators.",
    ),
    (
        _out(
            files.Incompatibility(
                cause="type_not_taken", by="LiteRT.js 2.5.3", detail="int64 (tokens)"
            )
        ),
        "litert-int8 is left out: LiteRT.js 2.5.3 takes no int64 (tokens)",
    ),
    (
        _out(
            files.Incompatibility(
                cause="file_rejected",
                by="tflite-runtime on pi",
                detail="builtin_code out of range: 160.",
                layer="sort",
                fix="sort_in_application",
            )
        ),
        "litert-int8 is left out: tflite-runtime on pi refuses the file (builtin_code out of "
        "range: 160); layer 'sort' needs it. Leave sort and topk to the application, after "
        "the network.",
    ),
    (
        _out(
            files.Incompatibility(
                cause="operator_not_exportable",
                by="litert",
                operator="aten.linalg_det.default",
                layer="volume",
                detail="no lowering.",
                fix="rewrite_layer",
            )
        ),
        "litert-int8 is left out: aten.linalg_det.default cannot be written (no lowering); "
        "layer 'volume' needs it. Write that layer with other operators.",
    ),
    (
        _out(
            files.Incompatibility(
                cause="conversion_failed",
                by="litert",
                detail="LiteRT export failed: crash.",
                fix="exclude_runtime",
            )
        ),
        "litert-int8 is left out: LiteRT export failed: crash; layer 'the network's own "
        "forward()' needs it. Every operator alone is written: write it with other "
        "operators, or leave litert out of [recipe.export] runtimes.",
    ),
    (
        _out(
            files.Incompatibility(
                cause="export_failed", by="litert", detail="No such layer kind."
            )
        ),
        "litert-int8 is left out: No such layer kind",
    ),
    (
        files.PlannedRuntime(runtime="onnxruntime", instead_of="litert"),
        "the plan is for onnxruntime instead of litert",
    ),
    (
        files.RuntimeSubstituted(runtime="tflite-runtime", ran="litert"),
        "LiteRT of this machine ran the files in the place of tflite-runtime",
    ),
    (
        files.ComparedOnHost(target="raspberrypi4"),
        "int8 and fp32 were compared on this machine; the winner can differ on "
        "raspberrypi4",
    ),
    (
        files.IOFused(
            fusion=IOFusion(
                preprocess=Preprocess(), dtype="uint8", postprocess="argmax", classes=3
            )
        ),
        "files take raw uint8 values and prepare them themselves and end in argmax; the "
        "unpruned network was timed without what is fused into the files",
    ),
    (
        files.TailLeftOut(runtimes=("litert",), outputs=("boxes", "scores")),
        "litert files end at boxes, scores; the operators of the network's own file behind them "
        "are left to the application",
    ),
    (
        files.DecoderLeftOut(
            function="decode.py:boxes",
            reason="decoder.py:1: ModuleNotFoundError: No module named 'torch'",
        ),
        "decode.py:boxes does not run on a device, where its file is alone with NumPy "
        "(decoder.py:1: ModuleNotFoundError: No module named 'torch'): infer and serve return the "
        "network's outputs",
    ),
    (
        files.QuantizationSearched(artifact="litert-int8", result=_LOST),
        "litert-int8 loses 3.10 points of accuracy on 400 samples; 1 configuration tried, none "
        "held: training has to recover 2.60 points",
    ),
    (
        files.QuantizationSearched(artifact="litert-int8", result=_RECOVERED),
        "litert-int8 loses 0.40 points of accuracy on 400 samples; 3.10 points with min-max "
        "ranges; ranges by percentile; kept in float: a, b, c, d and 1 more; channels were "
        "brought to equal ranges first; without: loses 3.10 points of accuracy on 400 "
        "samples; 1 configuration tried, none held: training has to recover 2.60 points",
    ),
    (
        _fault(measure="shape", shapes=((4,), (5,))),
        "does not compete: litert-int8 returns (4,) where the network returns (5,)",
    ),
    (
        _fault(measure="relative_error", value=0.5, limit=0.001, samples=10),
        "does not compete: litert-int8 differs from the network by 0.5 of its largest output "
        "on 10 samples, 0.001 allowed. The file is not the network: leave its runtime out "
        "with [recipe.export] runtimes",
    ),
    (
        _fault(measure="relative_error", samples=10),
        "does not compete: litert-int8 gives values that are not finite, and the network "
        "does not. The file is not the network: leave its runtime out with [recipe.export] "
        "runtimes",
    ),
    (
        _fault(
            measure="agreement", value=0.5, limit=0.75, samples=10, task="segmentation"
        ),
        "does not compete: litert-int8 decides as the network does on 50.0% of the pixels on "
        "10 samples, 75% at least. Quantization broke it: leave it out with [recipe.export] "
        'precisions = ["fp32"]',
    ),
    (
        _fault(measure="explained", value=0.5, limit=0.75, samples=10),
        "does not compete: litert-int8 has 50.0% of the variance of the network's outputs on "
        "10 samples, 75% at least. Quantization broke it: leave it out with [recipe.export] "
        'precisions = ["fp32"]',
    ),
    (
        _fault(measure="metric", metric="perplexity", samples=10),
        "does not compete: litert-int8 has a perplexity of a value that is not finite on 10 "
        "samples: it answers nothing that can be scored",
    ),
    (
        _fault(measure="runtime", detail="litert cannot load it."),
        "does not compete: litert cannot load it",
    ),
    (
        files.RuntimeOptionsTried(
            artifact="litert-int8",
            trials=(
                files.OptionTrial(options=_OFF, time_ratios=(2.0, 3.0, 2.5)),
                files.OptionTrial(
                    options=RuntimeOptions(threads=1), time_ratios=(0.8, 0.8, 0.8)
                ),
                files.OptionTrial(
                    options=RuntimeOptions(options={"graph": "all"}), time_ratios=()
                ),
            ),
            kept=RuntimeOptions(threads=1),
            limit_s=60.0,
        ),
        "litert-int8: runtime options tried: xnnpack=False is 2.50x slower than the default, "
        "threads=1 is 1.25x faster than the default, graph=all is refused; threads=1 is kept",
    ),
    (
        files.RuntimeOptionsTried(
            artifact="litert-int8", trials=(), kept=RuntimeOptions(), limit_s=9.0
        ),
        "litert-int8: no runtime options compared within 9 s",
    ),
    (
        files.OtherBytes(files=("litert-int8",), machine=("processor", "threads")),
        "the bytes of litert-int8 are not those of the lock file: processor and threads of "
        "this machine differ",
    ),
    (
        files.TimesReused(
            taken="2026-11-29T09:53:12+00:00", device="local", measurements=6
        ),
        "6 times were measured 2026-11-29 09:53 UTC on this machine and reused: files, "
        "runtimes and machine are the same",
    ),
    (
        facts.BudgetsNotPlanned(
            budgets={"latency_ms": 10.0, "energy_mj": 2.0},
            lacking="device",
            target="raspberrypi5",
            speedup=2.0,
        ),
        "latency_ms = 10 and energy_mj = 2 could not be planned for without a raspberrypi5: "
        "the plan aims at a speed-up of 2 instead",
    ),
    (
        facts.BudgetsNotPlanned(
            budgets={"energy_mj": 2.0}, lacking="meter", target="pi", speedup=1.5
        ),
        "energy_mj = 2 could not be planned for without a meter on a pi: the plan aims at a "
        "speed-up of 1.5 instead",
    ),
    (
        facts.SpeedupAssumed(speedup=2.0),
        "no budget sets a speed: the plan aims at a speed-up of 2",
    ),
    (
        facts.EnergyPlannedAsTime(
            energy_mj=2.0,
            reason=OperatorsUnmetered(kind="costs_not_timed", value="estimated"),
        ),
        "energy_mj = 2 was planned for as time, which energy is taken to go with: operators "
        "have no energy of their own (costs are estimated)",
    ),
    (
        facts.EnergyPlannedByOperators(
            energy_mj=2.0, metered=12, meter="rapl", boundary="package"
        ),
        "energy_mj = 2 was planned for by the energy of operators: 12 of them metered (rapl, "
        "package), the others at the power of those near to them",
    ),
    (
        facts.IntervalMissing(cause="metric_failed", detail="ValueError: one class"),
        "the loss of accuracy has no interval: the metric fails on a part of the samples "
        "(ValueError: one class)",
    ),
    (
        facts.IntervalMissing(cause="metric_slow"),
        "the loss of accuracy has no interval: the metric takes too long to be repeated on "
        "drawn samples",
    ),
    (
        facts.IntervalMissing(cause="not_finite"),
        "the loss of accuracy has no interval: the metric of drawn samples is not finite",
    ),
    (
        facts.MeasuredAgain(
            artifact="litert-int8", expected=2.05, first=1.62, again=2.01, counts=2.01
        ),
        "litert-int8 was measured at 1.62x where 2.05x was expected, and at 2.01x when "
        "measured again: 2.01x counts",
    ),
    (
        facts.ResolutionPlanned(
            size=(24, 24),
            own_size=(32, 32),
            size_loss=0.02,
            expected_loss_increase=0.031,
            at_own_size=0.084,
        ),
        "images are 24 x 24 pixels instead of 32 x 32: that loses 0.02 nats a sample by itself "
        "and 0.031 with its cuts, before training; at 32 x 32, cuts alone were expected to lose "
        "0.084",
    ),
    (
        facts.ResolutionPlanned(
            size=(24, 24),
            own_size=(32, 32),
            size_loss=0.02,
            expected_loss_increase=0.02,
            at_own_size=None,
        ),
        "images are 24 x 24 pixels instead of 32 x 32: that loses 0.02 nats a sample by itself "
        "and 0.02 with its cuts, before training; at 32 x 32, no plan fits the budget",
    ),
    (
        facts.ResolutionPlanned(
            size=(32, 32),
            own_size=(32, 32),
            size_loss=0.0,
            expected_loss_increase=0.01,
            at_own_size=0.01,
        ),
        "images stay 32 x 32 pixels: at no smaller size is a plan expected to lose less (0.01 "
        "nats a sample before training)",
    ),
    (
        facts.ResolutionPlanned(
            size=(32, 32),
            own_size=(32, 32),
            size_loss=0.0,
            expected_loss_increase=None,
            at_own_size=None,
        ),
        "images stay 32 x 32 pixels: no smaller size has a plan inside the budget either",
    ),
    (
        facts.DamageMeasured(expected=0.1, measured=0.25, again=0.18, replaced=True),
        "the refitted plan lost 0.25 nats a sample where 0.1 was expected: planned again by what "
        "was measured, it loses 0.18, which is less",
    ),
    (
        facts.DamageMeasured(expected=0.1, measured=0.25, again=0.3, replaced=False),
        "the refitted plan lost 0.25 nats a sample where 0.1 was expected: planned again by what "
        "was measured, it loses 0.3, which is not better: the first is trained",
    ),
    (
        facts.PlansDrawn(drawn=8, measured=0.25, again=0.18, replaced=True),
        "of 8 more plans of equal cost, refitted, the best loses 0.18 nats a sample before "
        "training, where the first one loses 0.25",
    ),
    (
        facts.PlansDrawn(drawn=8, measured=0.25, again=0.18, replaced=False),
        "of 8 more plans of equal cost, refitted, the best loses 0.18 nats a sample before "
        "training, where the first one loses 0.25, but is not as fast: the first is trained",
    ),
    (
        facts.PrecisionPlanned(precision="int8"),
        "widths and blocks were planned on costs in int8",
    ),
    (
        facts.PrecisionPlanned(precision="int8", gain=1.6),
        "widths and blocks were planned on costs in int8, which alone is worth 1.60x over "
        "fp32",
    ),
    (
        facts.NoPlanFaster(runtime="litert", speedup=0.97),
        "no plan was faster than the unpruned network on litert (0.97x at best): nothing was "
        "cut",
    ),
    (
        facts.NothingCut(reason="within_budget"),
        "the network keeps its budget as it is: nothing was cut",
    ),
    (
        facts.NothingCut(
            reason="within_budget",
            artifact="litert-int8",
            speedup=2.81,
            validation=Score(metric="accuracy", value=0.991, is_fraction=True),
        ),
        "the network keeps its budget as it is: nothing was cut (litert-int8: 2.81x, "
        'validation accuracy 99.10%); [recipe] objective = "fastest" cuts all the same',
    ),
    (
        facts.NothingCut(reason="own_architecture"),
        "the student has an architecture of its own: nothing was cut",
    ),
    (
        facts.BlocksDropped(blocks=("layer1.1", "layer2.1")),
        "residual blocks dropped: layer1.1, layer2.1",
    ),
    (
        facts.Advice(accuracy_drop=0.0123, speedup=1.62, lever="epochs"),
        "nothing that was measured keeps the budget; accuracy_drop = 0.0123 or speedup = 1.62 "
        "alone would be kept; training had not ended: raise [recipe.distill] epochs or "
        "[recipe] minutes",
    ),
    (
        facts.Advice(
            accuracy_drop=0.02, speedup=None, latency_ms=1.2345, lever="epochs"
        ),
        "nothing that was measured keeps the budget; accuracy_drop = 0.0200 or latency_ms = 1.234 "
        "alone would be kept; training had not ended: raise [recipe.distill] epochs or "
        "[recipe] minutes",
    ),
    (
        facts.CostsTimedBusy(doubtful=3, operators=4, runtime="litert"),
        "3 of 4 operators were timed while litert shared the machine with something else: "
        "predictions promise nothing; after `edgekit cache clean cost-tables` a build times "
        "them again",
    ),
    (
        facts.PredictionsOff(error_median=0.25),
        "whole networks take 25% more or less than the costs of their operators predict "
        "(median): predictions promise nothing",
    ),
    (
        facts.TeachersWeighted(fractions=(0.75, 0.25)),
        "2 teachers: their outputs were averaged with weights of 75%, 25%",
    ),
    (
        facts.LinkTrained(link=_LINK),
        "model.py:small, distilled from the unpruned network: validation accuracy 50.00% before, "
        "93.00% after",
    ),
    (
        facts.CutInSteps(steps=2),
        "the network was cut in 2 steps and trained after each, from the second on with the "
        "one before as teacher",
    ),
    (
        facts.CutTrained(step=2, before=_score(0.5), after=_score(0.9), epoch=7),
        "cut 2: validation accuracy 50.00% before training, 90.00% after epoch 7",
    ),
    (
        facts.UnitsEmptied(method="group-lasso", epochs=3),
        "group-lasso emptied units for 3 epochs before the cut",
    ),
    (
        facts.BatchNormReestimated(
            samples=1024, before=_score(0.5), after=_score(0.75), kept=True
        ),
        "statistics of batch norm were taken again over 1024 training samples of the cut network: "
        "validation accuracy 50.00% before, 75.00% after",
    ),
    (
        facts.BatchNormReestimated(
            samples=64, before=_score(0.5), after=_score(0.25), kept=False
        ),
        "statistics of batch norm were taken again over 64 training samples of the cut network: "
        "validation accuracy 50.00% before, 25.00% after, so those before it were kept",
    ),
    (
        facts.LearningRateTested(
            test=RateTest(rate=0.01, steps=8, losses=((0.01, 0.25), (0.1, None)))
        ),
        "the learning rate is 0.01, by the validation loss after 8 steps of each: 0.01 "
        "(0.25), 0.1 (not finite)",
    ),
    (
        facts.LearningRateTested(test=RateTest(rate=0.001, steps=0, losses=())),
        "the learning rate is 0.001, the default: the training is too short to try others",
    ),
    (
        facts.LossesAdded(weights={"dist": 0.5, "hints": 2.0}),
        "the student was trained with soft targets, labels and dist (0.5), hints (2)",
    ),
    (
        facts.TeacherOutputsReused(fraction=0.95),
        "95% of the teacher's outputs were reused",
    ),
    (
        facts.TrainedWithRounding(
            reason=facts.QatReason(
                cause="over_budget", artifact="litert-int8", score=_score(0.8)
            ),
            epochs=4,
            before=_score(0.81),
            after=_score(0.92),
        ),
        "int8 after training missed the accuracy budget (litert-int8: accuracy 80.00%): the "
        "student was trained for 4 epochs with int8's rounding, distilled from the unpruned "
        "network in float; validation accuracy with rounding 81.00% before, 92.00% after",
    ),
    (
        facts.RoundingGain(artifact="litert-int8", before=None, after=_score(0.92)),
        "litert-int8: broken after training alone, accuracy 92.00% trained with rounding",
    ),
    (
        facts.RoundingGain(
            artifact="litert-int8", before=_score(0.8), after=_score(0.92)
        ),
        "litert-int8: accuracy 80.00% after training alone, accuracy 92.00% trained with "
        "rounding",
    ),
)
"""Each note with its sentence."""
KINDS: Mapping[str, type[facts.Note]] = {one.kind: one for one in facts.NOTES}
