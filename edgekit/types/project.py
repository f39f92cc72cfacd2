"""The project file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Len, Lt, MaxLen, MinLen

from edgekit.types.audio import AudioSpec
from edgekit.types.distill_recipe import DistillRecipe
from edgekit.types.names import (
    DEFAULT_TASK,
    Count,
    Fraction,
    ImportanceName,
    Mebibytes,
    Positive,
    Postprocessing,
    Precision,
    Provenance,
    RawDtype,
    RuntimeName,
    Schedule,
    Sparsity,
    TaskKind,
    Text,
)


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """The network's input as the project file gives it: `shape` without the batch dimension."""

    shape: Annotated[tuple[Count, ...], Len(1)]
    name: Text = "input"
    dtype: Literal["float32", "int64", "int32"] | None = None
    """Whole numbers are tokens, which reach the network as they are; `None` is `float32`."""


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """From a raw sample to the network's input: `(value / scale - mean) / std`, by channel."""

    scale: Positive = 255.0
    mean: tuple[float, ...] = (0.0,)
    std: Annotated[tuple[Positive, ...], MinLen(1)] = (1.0,)
    color: Literal["rgb", "bgr", "gray"] | None = None
    resize: Literal["bilinear", "bicubic", "nearest"] = "bilinear"
    fit: Literal["stretch", "letterbox"] = "stretch"
    """Images of other proportions than the input are stretched, or surrounded by gray."""
    audio: AudioSpec | None = None
    """Of recordings."""


@dataclass(frozen=True, kw_only=True)
class NetworkInput:
    """One of `[[model.inputs]]`: `shape` without the batch, where the source has none itself."""

    name: Text
    shape: Annotated[tuple[Count, ...], MinLen(1)] | None = None
    dtype: Literal["float32", "int64", "int32"] | None = None
    preprocess: Preprocess | None = None
    """From a raw sample to this input; `None` is `[data.preprocess]`."""

    @property
    def spec(self) -> InputSpec | None:
        """The input, where its shape is given."""
        if self.shape is None:
            return None
        return InputSpec(name=self.name, shape=self.shape, dtype=self.dtype)


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Where the trained network is: `model.py:build` plus weights, or a `.pt2` or `.onnx` file."""

    source: Text
    weights: str | None = None
    input: InputSpec | None = None
    """Of a network with one; `inputs` of one with several."""
    inputs: tuple[NetworkInput, ...] = ()
    outputs: tuple[Text, ...] = ()
    """Tensors of a file by name that the network ends at, instead of the file's outputs."""
    fixed: Mapping[str, bool | int | float | tuple[float, ...]] = field(
        default_factory=dict
    )
    """Inputs of a file by name that are not inputs of the network, and their values."""
    custom_objects: Text | None = None
    """A Python file with the author's own layers of a Keras model, in torch, by their names."""

    @property
    def specs(self) -> tuple[InputSpec, ...]:
        """The inputs whose shapes are given."""
        if self.input is not None:
            return (self.input,)
        return tuple(each.spec for each in self.inputs if each.spec is not None)


@dataclass(frozen=True, kw_only=True)
class TextSpec:
    """`[data.text]`: how texts become the network's token numbers."""

    tokenizer: Text | None = None
    """A folder with a `tokenizer.json`, or the file; `None` is that of the network's folder."""
    columns: Annotated[tuple[Text, ...], MaxLen(2)] = ()
    """Of a table, or keys of a mapping: one, or two for pairs; empty: by the usual names."""


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """Where samples are: a folder of images or texts, `.npz`, `.parquet`, `.csv`, `.tsv`, `.tar`,
    or `loader.py:function`."""

    train: Text
    test: Text
    validation: str | None = None
    calibration: str | None = None
    group: Text | None = None
    """Groups that are whole in training or in validation, such as speakers, patients or scenes: the
    name of a column of a table, an array of an archive or a key of a loader's mappings. Of files a
    pattern, whose parentheses match the group in a path: `group = "(speaker[0-9]+)_"`."""
    columns: tuple[Text, ...] = ()
    """Of a table: the columns of numbers, truths or `categories` that are the only input, one after
    another."""
    categories: Mapping[Text, Annotated[tuple[Text, ...], MinLen(1)]] = field(
        default_factory=dict
    )
    """The texts of columns of classes, in order: a column becomes one of 0 and 1 for each, or of an
    input of whole numbers the text's number, from 0."""
    frame_stride: Count = 10
    """Of videos, whose first frame of so many is a sample; neighbors are nearly alike."""
    preprocess: Preprocess = field(default_factory=Preprocess)
    text: TextSpec = field(default_factory=TextSpec)


OutputRef = Text | Annotated[int, Ge(0)]
"""An output of a network by its name, or by its number from 0."""


@dataclass(frozen=True, kw_only=True)
class BoxDecoder:
    """`[task.decoder]`: how a detector's output becomes boxes."""

    head: Text
    """Name of a head (`edgekit.agent.serving.boxes.HEADS`), or `decode.py:boxes`, a function of one
    sample's output that returns boxes (n, 4), x1, y1, x2, y2 in pixels of the input, their scores
    (n,) and their classes (n,)."""
    size: tuple[Count, Count] | None = None
    """(height, width) of the input; `None` is that of `[model] input`, or of a square one."""
    strides: tuple[Positive, ...] = ()
    """Pixels between places, a level each; empty: those that the head usually has."""
    anchors: tuple[tuple[tuple[Positive, Positive], ...], ...] = ()
    """(width, height) in pixels of the anchors of a place, a list for each level."""
    bins: Count = 16
    """Bins of a side's distribution."""
    confidence: Fraction = 0.25
    """The least score of a box that the device returns."""
    overlap: Fraction = 0.6
    """Intersection over union above which the better of two boxes of a class remains."""
    most: Count = 100
    """Boxes of one sample."""


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """Kind and metric of the task: a metric's name or `metric.py:score`."""

    kind: TaskKind = DEFAULT_TASK
    output: OutputRef | None = None
    """The output that losses and metric read, of a network with several."""
    boxes: OutputRef | None = None
    """The output with the boxes (batch, places, 4), where a detector has them apart from the
    scores: losses and metric read (batch, places, 4 + classes)."""
    scores: OutputRef | None = None
    """The output with the scores (batch, places, classes) of each box."""
    background: Annotated[int, Ge(0)] | None = None
    """The class of a detector's scores that means that nothing is there: a box does not weigh by
    it. Of keyword spotting the class without a keyword; `None` is 0 there."""
    seconds: Positive = 1.0
    """Of keyword spotting the length of a sample."""
    false_accepts: Positive = 1.0
    """Of keyword spotting the false accepts an hour at which rejects are counted."""
    decoder: Text | BoxDecoder | None = None
    """Reading of boxes from a detector's output: a head's name, `decode.py:boxes`, or either with
    more."""
    metric: Text | None = None
    """`None` is the kind's own: accuracy, mean IoU, mean absolute error, ..."""
    better: Literal["higher", "lower"] | None = None
    """Of a metric from a function of the user's; `None` is `higher`."""
    drop: Literal["absolute", "relative"] | None = None
    """Unit of `[budget] accuracy_drop`: points of the metric, or a fraction of the unpruned
    network's value; `None` is `absolute` for metrics from 0 to 1, else `relative`."""
    loss: Text | None = None
    """`loss.py:function` of (outputs, targets) in the place of the kind's own, for labels."""
    teacher_loss: Text | None = None
    """The same of (outputs, the teacher's outputs)."""
    augment: Text | None = None
    """`augment.py:function` of (inputs, targets, generator), which returns changed inputs and
    targets of the same shapes: for each training batch, in the place of `[recipe.distill] augment`
    or after it. Inputs (batch, ...) are prepared, a tensor or a tuple of several. Or
    `transforms.py:train`, a transform of torchvision.transforms.v2 or a function that returns one:
    for each sample, with its boxes, masks or points."""
    classes: Annotated[tuple[Text, ...], MinLen(1)] | None = None
    """Names of the classes where the data hold numbers."""

    @property
    def box_decoder(self) -> BoxDecoder | None:
        """The decoder with all that belongs to it."""
        if isinstance(self.decoder, str):
            return BoxDecoder(head=self.decoder)
        return self.decoder


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The contract. `speedup` is against the unpruned fp32 network on the same runtime in the
    same run; `accuracy_drop` is a fraction (0.01 is one point, or one percent of the unpruned
    network's value: see `TaskSpec.drop`)."""

    latency_ms: Positive | None = None
    speedup: Positive | None = None
    size_mb: Mebibytes | None = None
    memory_mb: Mebibytes | None = None
    mmacs: Positive | None = None
    """Millions of multiply-accumulates of one inference."""
    energy_mj: Positive | None = None
    accuracy_drop: Fraction | None = None
    accuracy_confidence: Annotated[float, Gt(0.5), Lt(1)] | None = None
    """Confidence with which `accuracy_drop` has to be kept on other samples than those at hand;
    `None` goes by the estimate."""

    def limits(self) -> dict[str, float]:
        """The budgets that are set, by their names."""
        given = asdict(self)
        given.pop("accuracy_confidence")
        return {name: limit for name, limit in given.items() if limit is not None}


@dataclass(frozen=True, kw_only=True)
class PruneRecipe:
    """`[recipe.prune]`."""

    importance: ImportanceName = "activation"
    min_keep: Annotated[float, Gt(0), Le(1)] = 0.125
    """No group of widths is cut below this fraction of its units."""
    rounds: Count = 3
    """Upper limit of searches of a plan whose measured artifact misses its budget."""
    drop_blocks: bool = True
    """True where whole residual blocks may go."""
    resolution: Literal["fixed", "free"] | tuple[Count, ...] = "fixed"
    """Size of the input's image: `free` lets the plan choose smaller ones, 7/8 to 1/2 of the sides
    at multiples of the network's stride, or those of a list of heights in pixels."""
    precision: Literal["auto", "fp32", "int8", "mixed"] = "auto"
    """Precision of the plan's costs, and of its speed-up's reference; `auto` is the one in which
    least has to be cut. `mixed` chooses the precision of each operator, fp32 or int8, together with
    the widths, on runtimes whose files mix them."""
    compensate: bool = True
    """True where layers that lost inputs are refitted to the remaining ones, before
    training."""
    reestimate_batch_norm: bool | None = None
    """True where batch norm's statistics are taken again over training samples before training, and
    kept unless the network is worse for it on validation samples. `None` is where `compensate` is
    false: layers that are refitted get statistics of the same samples."""
    iterations: Count | None = None
    """In how many steps the network is cut, trained after each; `None` follows from how deep
    the budget cuts."""
    schedule: Schedule = "by-cost"
    """Distribution of the speed-up over the iterations."""
    cost_provenance: Provenance | Literal["auto"] = "auto"
    """Where operators' costs come from; `auto`: the device where it is attached, else
    this machine. Instructions of the device's core are counted where that is asked for."""
    cost_minutes: Positive = 15.0
    """Minutes after which operators of one runtime and precision are no longer timed: those
    between costs that lie furthest apart come first, and the rest is interpolated."""
    sparsity: Sparsity = "none"
    """Regularization that empties units by training before they are cut."""
    sparsity_epochs: Count = 5
    sparsity_strength: Positive | None = None
    """Strength of the penalty; `None` is its own default."""


@dataclass(frozen=True, kw_only=True)
class CalibrationRecipe:
    """`[recipe.calibration]`."""

    preset: Text = "default"
    """Name of a file in `calibration/` (the user's folder first, then EdgeKit's)."""


@dataclass(frozen=True, kw_only=True)
class ExportRecipe:
    """Fewer candidates than the target's profile allows; `None` is all of them. And what the
    files take and give besides the network's own work."""

    runtimes: Annotated[tuple[RuntimeName, ...], MinLen(1)] | None = None
    precisions: Annotated[tuple[Precision, ...], MinLen(1)] | None = None
    litert_layout: Literal["nchw", "nhwc"] = "nchw"
    """The order in which LiteRT's files take images: channels first as PyTorch has them, or last
    as LiteRT computes, which saves the transpose at the input."""
    fold_preprocessing: RawDtype | Mapping[str, RawDtype] | None = None
    """Files take raw values of this type and apply [data.preprocess] themselves; a table names
    inputs of a network with several. `None` leaves it to the application."""
    fold_postprocessing: Postprocessing | None = None
    """Post-processing of logits in files: their softmax, or the number of the largest."""


@dataclass(frozen=True, kw_only=True)
class QuantizeRecipe:
    """Tolerated loss of int8, and the limits of the search for a better file."""

    allowed_loss: Fraction = 0.005
    """Of the metric against the same network in fp32, on validation data: half a point."""
    recover: bool = True
    """True where other ranges are tried, and layers kept in float, where int8 loses more."""
    qat: Literal["auto", "always", "never"] = "auto"
    """True where the student is trained with int8's rounding; `auto`: where int8 after training
    alone breaks the accuracy budget, and float does not."""
    qat_epochs: Count = 10


@dataclass(frozen=True, kw_only=True)
class BenchRecipe:
    """`[recipe.bench]`."""

    tier: Literal["quick", "default", "report", "sustained"] = "quick"
    threads: Count | None = None
    runtime_options_s: Annotated[float, Ge(0)] = 12.0
    """Seconds at most for trying the runtime's settings on the best candidates; 0 is none."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """`[recipe]`: the options of each stage."""

    seed: int = 0
    objective: Literal["most-accurate", "fastest"] = "most-accurate"
    """Depth of the cut: no deeper than the other budgets ask for, none where the network keeps
    them in some precision; or as deep as `accuracy_drop` allows."""
    minutes: Annotated[float, Ge(0)] | None = None
    """Minutes that all trainings of networks may take that miss a budget: 0 is one training;
    `None` is three times the first one."""
    prune: PruneRecipe = field(default_factory=PruneRecipe)
    distill: DistillRecipe = field(default_factory=DistillRecipe)
    calibration: CalibrationRecipe = field(default_factory=CalibrationRecipe)
    export: ExportRecipe = field(default_factory=ExportRecipe)
    quantize: QuantizeRecipe = field(default_factory=QuantizeRecipe)
    bench: BenchRecipe = field(default_factory=BenchRecipe)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Selection of the calibration set: a preset from `calibration/<name>.toml`."""

    name: str
    samples: Count = 128
    strategy: Literal["random", "class-balanced", "diverse"] = "class-balanced"
    """`diverse`: as different as there are, in the network's own features."""
    seed: int = 0
    data: Text | None = None
    """Where from, as in [data]: a folder, `.npz`, `.parquet` or `loader.py:function`; `None` is
    [data] calibration, or the training data without it."""
