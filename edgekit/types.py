"""The nouns that stages hand each other.

Every class is frozen and keyword-only. Units are in the names. A number nobody obtained is
`None`, never 0, and `None` cannot satisfy a budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Len, Lt, MinLen

Precision = Literal["fp32", "fp16", "int8", "int8-dynamic", "int8-weights", "int16x8"]
"""What a file computes in, coarsely. `int8`: weights and activations by calibrated ranges;
`int8-dynamic`: activations by ranges taken while running; `int8-weights`: weights alone, computed
in float; `int16x8`: activations of 16 bits. How exactly is a `Scheme`."""
RangeMethod = Literal["min-max", "averaged", "percentile", "entropy"]
"""How an activation's range follows from calibration: what holds every sample; the mean of the
samples' ranges; without the rarest values; what loses least information."""
RuntimeName = Literal["litert", "tflite-runtime", "onnxruntime", "openvino"]
CostSource = Literal["device", "host", "counted", "estimated"]
"""Where a figure comes from: timed on the device, timed on this machine, instructions counted
under emulation, or arithmetic from the device's profile."""
CostUnit = Literal["us", "instructions", "operations"]
"""What a cost is counted in: microseconds where it was timed, instructions executed where an
emulator counted, arithmetic operations where it was estimated."""
Verdict = Literal["fits", "over", "unproven"]
ImportanceName = Literal[
    "l1", "l2", "batchnorm", "taylor", "fisher", "activation", "reconstruction"
]
Sparsity = Literal["none", "l1-scales", "group-lasso", "growing"]
Schedule = Literal["linear", "cubic", "by-cost"]
LossName = Literal[
    "decoupled",
    "dist",
    "hints",
    "attention-transfer",
    "flow",
    "relation-distances",
    "relation-angles",
    "similarities",
    "hidden-states",
    "attention-scores",
    "attention-relations",
]
"""Losses that distillation offers beside soft targets and labels."""
TaskKind = Literal[
    "classification",
    "regression",
    "embedding",
    "segmentation",
    "detection",
    "token-classification",
    "language-modelling",
]

Postprocessing = Literal["softmax", "argmax"]
"""What may follow the classes' logits: their probabilities, or the number of the likeliest."""

Positive = Annotated[float, Gt(0)]
Fraction = Annotated[float, Ge(0), Lt(1)]
Count = Annotated[int, Ge(1)]
Mebibytes = Positive
Text = Annotated[str, MinLen(1)]


# --- what the user asks for -------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """The network's input as the project file gives it: `shape` without the batch dimension."""

    shape: Annotated[tuple[Count, ...], Len(1)]
    name: Text = "input"
    dtype: Literal["float32", "int64", "int32"] | None = None
    """Whole numbers are tokens, which reach the network as they are; `None` is `float32`."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Where the trained network is: `model.py:build` plus weights, or a `.pt2` file."""

    source: Text
    weights: str | None = None
    input: InputSpec | None = None


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """From a raw sample to the network's input: `(value / scale - mean) / std`, by channel."""

    scale: Positive = 255.0
    mean: tuple[float, ...] = (0.0,)
    std: Annotated[tuple[Positive, ...], MinLen(1)] = (1.0,)
    color: Literal["rgb", "bgr", "gray"] | None = None
    resize: Literal["bilinear", "bicubic", "nearest"] = "bilinear"


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """Where samples are: a folder of images, `.npz`, `.parquet`, or `loader.py:function`."""

    train: Text
    test: Text
    validation: str | None = None
    calibration: str | None = None
    preprocess: Preprocess = field(default_factory=Preprocess)


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """What the network is for, and how good is told: by a metric's name or `metric.py:score`."""

    kind: TaskKind = "classification"
    metric: Text | None = None
    """`None` is the kind's own: accuracy, mean IoU, mean absolute error, ..."""
    better: Literal["higher", "lower"] | None = None
    """Of a metric from a function of the user's; `None` is `higher`."""
    drop: Literal["absolute", "relative"] | None = None
    """How `[budget] accuracy_drop` counts: in points of the metric, or as a share of the
    unpruned network's value; `None` is `absolute` for metrics from 0 to 1, else `relative`."""
    loss: Text | None = None
    """`loss.py:function` of (outputs, targets) in the place of the kind's own, for labels."""
    teacher_loss: Text | None = None
    """The same of (outputs, the teacher's outputs)."""
    classes: Annotated[tuple[Text, ...], MinLen(1)] | None = None
    """Names of the classes where the data hold numbers."""


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


@dataclass(frozen=True, kw_only=True)
class PruneRecipe:
    importance: ImportanceName = "activation"
    min_keep: Annotated[float, Gt(0), Le(1)] = 0.125
    """No group of widths is cut below this share of its units."""
    rounds: Count = 3
    """How often a plan whose measured artefact misses its budget is solved at most."""
    drop_blocks: bool = True
    """Whether whole residual blocks may go."""
    precision: Literal["auto", "fp32", "int8"] = "auto"
    """What the plan's costs are taken in, and what its speed-up is against; `auto` is fp32 where
    that is exported."""
    compensate: bool = True
    """Whether layers that lost inputs are fitted to what is left, before training."""
    iterations: Count | None = None
    """In how many steps the network is cut, trained after each; `None` follows from how deep
    the budget cuts."""
    schedule: Schedule = "by-cost"
    """How the speed-up is shared out over the iterations."""
    cost_source: CostSource | Literal["auto"] = "auto"
    """Where operators' costs come from; `auto`: the device where it is attached, else
    this machine. Instructions of the device's core are counted where that is asked for."""
    sparsity: Sparsity = "none"
    """What empties units by training before they are cut."""
    sparsity_epochs: Count = 5
    sparsity_strength: Positive | None = None
    """How hard the penalty pulls; `None` is its own default."""


@dataclass(frozen=True, kw_only=True)
class StudentSpec:
    """A network of the user's, `model.py:small`, or the trained one made narrower or shallower."""

    source: Text | None = None
    weights: str | None = None
    """Without them it learns from scratch."""
    width: Annotated[float, Gt(0), Le(1)] | None = None
    """Share of the units of every width that stays."""
    depth: Annotated[float, Gt(0), Le(1)] | None = None
    """Share of the residual blocks that stays."""


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """A further teacher; `weight` is its say beside the network's own 1."""

    source: Text
    weights: str | None = None
    weight: Positive = 1.0


@dataclass(frozen=True, kw_only=True)
class DistillRecipe:
    """Soft targets at `temperature` (Hinton et al., 2015, arXiv:1503.02531) mixed with labels,
    and further losses by weight."""

    epochs: Count = 20
    batch_size: Count = 64
    """Samples of one step, in all processes and over all accumulated parts together."""
    accumulate: Count = 1
    """In how many parts, one after another, the samples of a step are taken."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: Positive | None = None
    """At its peak; `None` is 0.01 for `sgd`, 0.001 for `adamw`."""
    schedule: Literal["one-cycle", "cosine", "constant"] = "one-cycle"
    weight_decay: Annotated[float, Ge(0)] = 5e-4
    clip_norm: Positive = 5.0
    """Largest norm of the gradient; a longer one is scaled down to it."""
    temperature: Positive = 4.0
    soft_weight: Annotated[float, Ge(0), Le(1)] = 0.9
    """Share of the loss taken by soft targets; labels take the rest, where there are labels."""
    losses: Mapping[LossName, Positive] | None = None
    """What is added to them, each with its weight; `None` is nothing for a pruned network, and
    for a classifier from scratch attention transfer, where both have maps of one size."""
    pairs: Mapping[Text, Text] = field(default_factory=dict)
    """Layers to compare, teacher's node = student's node; found by themselves where empty."""
    augment: Literal["none", "shift", "shift-flip"] | None = None
    """`None` is `shift`; for regression and detection, whose labels may lie in places, `none`."""
    views: Count | None = None
    """How many augmented versions of a sample there are; `None` draws a new one every epoch.
    With a number the teacher's outputs can be kept."""
    mixup: Annotated[float, Ge(0)] = 0.0
    """Alpha of Zhang et al., 2018, arXiv:1710.09412; 0 is off."""
    ema: Fraction | None = None
    """Decay of a moving average of the weights, which is what is kept then."""
    patience: Count | None = None
    """Epochs without a better one after which training ends."""
    precision: Literal["fp32", "bf16"] = "fp32"
    shard: bool = False
    """Whether several processes each hold a part of the student, as FSDP does, or all of it."""
    checkpoint_minutes: Annotated[float, Ge(0)] = 5.0
    """How often a training that can be killed and resumed writes down where it is."""
    validation_share: Fraction = 0.1
    student: Text | StudentSpec | None = None
    """Who learns: `model.py:small`, a `StudentSpec`, or "pruned"; `None` is the network, cut."""
    assistants: tuple[Text | StudentSpec, ...] = ()
    """Who stands between teacher and student, each taught by the one before."""
    teachers: tuple[Text | NetworkSpec, ...] = ()
    """Networks that teach beside the trained one: their outputs are averaged by weight."""


@dataclass(frozen=True, kw_only=True)
class CalibrationRecipe:
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
    fold_preprocessing: Literal["float32", "uint8"] | None = None
    """Files take raw values of this type and apply [data.preprocess] themselves; `None` leaves
    it to the application."""
    fold_postprocessing: Postprocessing | None = None
    """What files do with logits: their softmax, or the number of the largest."""


@dataclass(frozen=True, kw_only=True)
class QuantiseRecipe:
    """What int8 may lose before its file is made otherwise, and how far that goes."""

    allowed_loss: Fraction = 0.005
    """Of the metric against the same network in fp32, on validation data: half a point."""
    recover: bool = True
    """Whether other ranges are tried, and layers kept in float, where int8 loses more."""
    aware: Literal["auto", "always", "never"] = "auto"
    """Whether the student is trained with int8's rounding; `auto`: where int8 after training
    alone breaks the accuracy budget, and float does not."""
    aware_epochs: Count = 10


@dataclass(frozen=True, kw_only=True)
class BenchRecipe:
    tier: Literal["quick", "default", "report", "sustained"] = "quick"
    threads: Count | None = None
    settings_s: Annotated[float, Ge(0)] = 12.0
    """Seconds at most for trying the runtime's settings on the best candidates; 0 is none."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    seed: int = 0
    prune: PruneRecipe = field(default_factory=PruneRecipe)
    distill: DistillRecipe = field(default_factory=DistillRecipe)
    calibration: CalibrationRecipe = field(default_factory=CalibrationRecipe)
    export: ExportRecipe = field(default_factory=ExportRecipe)
    quantise: QuantiseRecipe = field(default_factory=QuantiseRecipe)
    bench: BenchRecipe = field(default_factory=BenchRecipe)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How the calibration set is drawn: a preset from `calibration/<name>.toml`."""

    name: str
    samples: Count = 128
    strategy: Literal["random", "class-balanced", "diverse"] = "class-balanced"
    """`diverse`: as different as there are, in the network's own features."""
    seed: int = 0
    source: Text | None = None
    """Where from, as in [data]: a folder, `.npz`, `.parquet` or `loader.py:function`; `None` is
    [data] calibration, or the training data without it."""


# --- the device -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Power:
    """Published power of a board in watts, with what was metered (`boundary`) and by whom."""

    idle_w: float | None = None
    load_w: float | None = None
    boundary: Literal["wall", "board", "module", "soc", "package"] | None = None
    source: str | None = None


@dataclass(frozen=True, kw_only=True)
class Target:
    """A device profile: `targets/<name>.toml`."""

    name: str
    description: Text
    aliases: tuple[str, ...] = ()
    arch: Literal["x86_64", "aarch64", "armv7l"]
    cpu: Text
    """The core's name as QEMU_CPU spells it, e.g. `cortex-a72`; `host` for this machine."""
    isa: tuple[str, ...] = ()
    cores: Count
    threads: Count = 1
    ram_mb: Annotated[int, Gt(0)] | None = None
    runtimes: Annotated[tuple[RuntimeName, ...], MinLen(1)]
    """In order of preference: the first is the one the plan is made for."""
    precisions: Annotated[tuple[Precision, ...], MinLen(1)]
    channel_multiple: Mapping[Precision, Count] = field(default_factory=dict)
    runtime_versions: Mapping[RuntimeName, Text] = field(default_factory=dict)
    """Releases that the device is bound to, where it is."""
    opset: Count | None = None
    """The newest ONNX opset that the device reads; `None` is any."""
    static_shapes: bool = False
    """Whether every tensor's shape must be known before anything runs."""
    whole_int8: bool = False
    """Whether the device computes in integers only: nothing between the borders in float."""
    missing_operators: Mapping[RuntimeName, tuple[Text, ...]] = field(
        default_factory=dict
    )
    """Operators that the device's runtime or accelerator lacks, as the format spells them."""
    power: Power = field(default_factory=Power)
    image: Text
    """Docker platform, e.g. `linux/arm64`."""
    notes: tuple[str, ...] = ()


# --- what the build makes ---------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Quantisation:
    """Affine quantisation of a tensor: `real = scale * (stored - zero_point)`."""

    scale: float
    zero_point: int


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """A tensor at an artefact's border. `shape` includes the batch dimension."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str | None = None
    quantisation: Quantisation | None = None


@dataclass(frozen=True, kw_only=True)
class Folding:
    """What of an application's work is done in the files, around the network."""

    preprocess: Preprocess | None = None
    """Applied to raw values; `None` where the application prepares them."""
    dtype: Literal["float32", "uint8"] = "float32"
    """Of the raw values."""
    postprocess: Postprocessing | None = None
    axis: int = 1
    """The dimension of the classes in the network's output."""
    classes: int = 0
    """How many there are; 0 where nothing is done with them."""


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """How an int8 file is made: what its runtime's library is told, where it has that choice."""

    ranges: RangeMethod = "min-max"
    activations: Literal["signed", "unsigned"] = "signed"
    narrow_weights: bool = False
    """Whether weights take 7 bits: with unsigned activations, processors without VNNI sum two
    products in 16 bits, which 8 bits overflow."""
    per_channel: bool = True
    """Whether each channel of a layer's weights has a scale of its own."""
    operators: Literal["all", "weighted"] = "all"
    """`weighted`: operators with weights alone are quantised."""
    float_layers: tuple[str, ...] = ()
    """Layers kept in float, worst first, by their names in the format's own graph."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One scheme and what its file lost on validation samples."""

    scheme: Scheme
    lost: float | None
    """Share of the metric, against the same network in fp32; `None` where it failed."""
    error: float | None
    """Root mean square of the outputs' differences over that of the outputs."""
    failure: str | None = None


@dataclass(frozen=True, kw_only=True)
class Quantised:
    """How a quantised file came about: what was tried, on how many samples, and what was kept."""

    scheme: Scheme
    lost: float | None
    """`None` where there were no samples to judge by."""
    allowed: float | None
    metric: str | None
    samples: int
    trials: tuple[Trial, ...]
    why: str
    """In words: what was lost, what recovered it, what stays in float."""

    @property
    def missed(self) -> float | None:
        """By how much more than allowed it still loses: training has to recover that."""
        if self.lost is None or self.allowed is None or self.lost <= self.allowed:
            return None
        return self.lost - self.allowed


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a runtime is told to run an artefact."""

    threads: int | None = None
    """`None` is what the profile says."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The runtime's own, where they are not its defaults here."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file (and its companions) that one runtime runs. `files[0]` is the one it opens."""

    name: str
    runtime: RuntimeName
    precision: Precision | None
    """`None` where a file from elsewhere does not say."""
    files: tuple[Path, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    quantised: Quantised | None = None
    """How, where it is quantised by EdgeKit."""
    settings: Settings = field(default_factory=Settings)

    @property
    def size_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.files)

    @property
    def size_mb(self) -> float:
        return self.size_bytes / 2**20


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which units of each group of coupled widths stay: group id -> sorted unit numbers.

    A group that is not named stays whole.
    """

    kept: Mapping[str, tuple[int, ...]]
    dropped_blocks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Epoch:
    number: int
    loss: float
    validation: float
    seconds: float
    share: bool = True
    """Whether `validation` goes from 0 to 1 and is told in percent."""

    @property
    def shown(self) -> str:
        return shown(self.validation, share=self.share)


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How far an artefact's outputs are from the student's on the same samples."""

    relative_error: float
    """`max |a - b| / max |b|` over all samples."""
    agreement: float | None
    """Share of equal decisions (arg max: a class, or one a pixel or token); `None` where the
    task has none."""
    samples: int
    explained: float | None = None
    """Share of the outputs' variance that is the network's own, where there are no decisions."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    metric: str
    value: float
    samples: int
    higher_is_better: bool = True
    share: bool = True
    """Whether the metric goes from 0 to 1 and is told in percent."""

    @property
    def shown(self) -> str:
        return shown(self.value, share=self.share)

    def drop(self, other: Evaluation, *, relative: bool) -> float:
        """By how much `other` is worse than this: in the metric's unit, or as a share of it."""
        worse = (
            self.value - other.value
            if self.higher_is_better
            else other.value - self.value
        )
        return worse / abs(self.value) if relative and worse else worse

    def unit(self, *, relative: bool) -> LossUnit:
        """What a loss of this metric is told in."""
        return "%" if relative else "points" if self.share else "own"


LossUnit = Literal["points", "%", "own"]
"""Hundredths of a metric from 0 to 1, hundredths of the unpruned network's value, or the metric's
own unit."""


def shown_loss(value: float, unit: LossUnit) -> str:
    """What was lost of a metric, in its unit."""
    if unit == "own":
        return f"{value:.4g}"
    return f"{100 * value:.2f} {unit}"


def shown(value: float, *, share: bool) -> str:
    """A metric's value as it is told: in percent, or to four digits."""
    return f"{value:.2%}" if share else f"{value:.4g}"


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Steady latency per inference. A percentile too thin to bound is `None`."""

    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    samples: int
    launches: int
    launch_p50_ms: tuple[float, ...]
    """Median of each fresh process, in the order of the launches."""
    ci95_ms: tuple[float, float] | None = None
    """Bootstrap interval of the median over launches."""
    launch_cv: float | None = None
    """Standard deviation over mean of the launches' medians."""
    within_cv: float | None = None
    """The same of the inferences inside a launch; the median over launches."""
    mean_ms: float | None = None
    """Only from tools that report averages and no samples."""
    sustained_ratio: float | None = None
    """Median of the last ten seconds over that of the first, in a sustained run."""
    sustained_p50_ms: tuple[float, ...] = ()
    """Median of each ten seconds of a sustained run, in order."""


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy per inference. Uncertainties are expanded (k = 2); `modelled` ones are a band."""

    gross_mj: float | None = None
    net_mj: float | None = None
    """Above idle power."""
    gross_u_mj: float | None = None
    net_u_mj: float | None = None
    method: Literal["counter", "sampled", "external", "modelled", "none"] = "none"
    boundary: str | None = None
    """What the meter encloses: `package`, `board`, `wall`, ..."""
    meter: str | None = None
    windows: int | None = None
    idle_before_w: float | None = None
    idle_after_w: float | None = None
    sampler_hz: float | None = None
    overhead: float | None = None
    """Share of the throughput lost while the meter was read."""
    reader_cpu: float | None = None
    """Processor time of what read the meter, over the metered time."""
    p50_ms: float | None = None
    """Median latency of the metered run itself."""
    reason: str | None = None
    """Why there is no figure, or why to doubt it."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What the device was like while it was measured; what it does not tell is `None`."""

    governor: str | None = None
    freq_mhz: tuple[float, float] | None = None
    """Lowest and highest clock that was seen."""
    temp_c: tuple[float, float] | None = None
    load: tuple[float, float] | None = None
    """Processes that wanted a processor, by processor."""
    throttled: bool | None = None
    pinned: tuple[int, ...] | None = None
    unready: tuple[str, ...] = ()
    """What stood in the way of a quotable figure when timing began, each with what mends it."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    artifact: str
    device: str
    source: CostSource
    runtime: str
    runtime_version: str
    threads: int
    latency: Latency
    load_ms: float | None
    first_ms: float | None
    peak_memory_mb: float | None
    size_mb: float
    energy: Energy
    invalid: str | None = None
    """Why this run should not be quoted (throttled, too noisy), where it should not."""
    conditions: Conditions = field(default_factory=Conditions)
    instructions: float | None = None
    """Of one inference, counted where the device is emulated; no time follows from it."""


PairedVerdict = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True, kw_only=True)
class Paired:
    """One artefact's latency over another's, from launches that took turns in one run."""

    artifact: str
    against: str
    device: str
    source: CostSource
    ratio: float
    """Geometric mean over pairs; below 1 the artefact is faster."""
    low: float
    high: float
    """One-sided bounds of the ratio, each at `confidence`."""
    confidence: float
    pairs: int
    verdict: PairedVerdict
    why: str
    measurements: tuple[Measurement, Measurement]


@dataclass(frozen=True, kw_only=True)
class OperatorProfile:
    """One operator as it ran: median microseconds of an inference, and what ran it."""

    name: str
    kind: str
    us: float
    share: float
    kernel: str | None = None
    fast: bool | None = None
    """Whether the runtime's optimised kernel ran; `None` where it does not say."""
    why: str | None = None


@dataclass(frozen=True, kw_only=True)
class Profile:
    artifact: str
    device: str
    source: CostSource
    runtime: str
    runtime_version: str
    threads: int
    method: str
    """`profiler`, or `each operator alone`: then fusion between operators is not seen."""
    operators: tuple[OperatorProfile, ...]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An exported artefact with everything that was found out about it."""

    artifact: Artifact
    parity: Parity
    evaluation: Evaluation
    measurement: Measurement
    speedup: float
    """Unpruned fp32 over this one: paired launches on the same runtime in the same run."""
    accuracy_drop: float
    """By how much the metric is worse than the unpruned network's; negative where better."""
    relative_drop: bool = False
    """Whether that is a share of the unpruned network's value, and not the difference."""
    chosen: bool = False
    why: str = ""

    @property
    def loss_unit(self) -> LossUnit:
        return self.evaluation.unit(relative=self.relative_drop)


@dataclass(frozen=True, kw_only=True)
class BudgetVerdict:
    """One line of the contract: the limit, what was found, and how."""

    name: str
    limit: float
    value: float | None
    verdict: Verdict
    source: str
    why: str
    metric: str | None = None
    """What `accuracy_drop` is of."""
    unit: LossUnit | None = None
    """What `accuracy_drop` is in; `None` for other budgets."""


@dataclass(frozen=True, kw_only=True)
class WidthRow:
    """One group of coupled widths before and after pruning."""

    group: str
    kind: str
    before: int
    after: int
    layers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class OperatorRow:
    """What one operator costs before and after pruning, by the cost table, in its unit."""

    name: str
    kind: str
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class NetworkCost:
    """A whole exported network: what operators' costs say of it, and what was measured."""

    name: str
    predicted: float
    """By a correction fitted to other networks."""
    measured: float
    error: float
    """`|predicted - measured| / measured`."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """How well the cost table predicts whole networks, in its unit."""

    source: CostSource
    unit: CostUnit
    networks: tuple[NetworkCost, ...]
    error_median: float
    repeatability: float | None
    """How well the table's own cells repeat; `None` where each was measured once."""


@dataclass(frozen=True, kw_only=True)
class PlanRound:
    """One turn of the loop: what the plan promised and what its export measured."""

    predicted_speedup: float
    """By the table, corrected by the rounds before."""
    measured_speedup: float
    prediction_error: float
    overhead: float | None = None
    """Share of the unpruned network's time that operators do not account for, fitted to the
    rounds so far: what corrects the next one."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """One network of a chain: who taught it, and what that gained on validation samples."""

    name: str
    teacher: str
    metric: str
    before: float
    after: float
    share: bool
    parameters: int
    epoch: int

    @property
    def before_shown(self) -> str:
        return shown(self.before, share=self.share)

    @property
    def after_shown(self) -> str:
        return shown(self.after, share=self.share)


@dataclass(frozen=True, kw_only=True)
class NetworkSummary:
    parameters: int
    macs: int
    evaluation: Evaluation
    """Of the PyTorch network itself, on the evaluation data."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything a build found out; `report.json` is this, field by field."""

    schema_version: int
    project: str
    target: Target
    created: str
    environment: Mapping[str, str]
    budget: Budget
    verdicts: tuple[BudgetVerdict, ...]
    headline: str
    teacher: NetworkSummary
    student: NetworkSummary
    widths: tuple[WidthRow, ...]
    barriers: tuple[str, ...]
    dropped_blocks: tuple[str, ...]
    """Residual blocks that left whole."""
    operators: tuple[OperatorRow, ...]
    cost_source: CostSource
    cost_unit: CostUnit
    prediction: Prediction | None
    """`None` where costs were estimated: nothing was measured to compare them with."""
    rounds: tuple[PlanRound, ...]
    epochs: tuple[Epoch, ...]
    best_epoch: int
    calibration: Mapping[str, Any]
    baselines: tuple[Measurement, ...]
    """The unpruned fp32 network on each runtime."""
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...] = ()
    task: TaskSpec = field(default_factory=TaskSpec)
    links: tuple[Link, ...] = ()
    """The networks that were taught one after another, the student last."""

    @property
    def chosen(self) -> Candidate | None:
        return next((c for c in self.candidates if c.chosen), None)

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all budgets."""
        order: tuple[Verdict, ...] = ("over", "unproven", "fits")
        return min((v.verdict for v in self.verdicts), key=order.index, default="fits")


# --- what `edgekit doctor` says ---------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at on this machine, and the command that mends it."""

    name: str
    ok: bool
    found: str
    fix: str = ""


# --- what a plan would be -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PlanPoint:
    """One plan: what it was solved for, takes, keeps, and is expected to do to answers."""

    asked: str
    speedup: float
    """By the cost table."""
    damage: float
    gap: float
    parameters: int
    macs: int
    activation_bytes: int
    dropped_blocks: tuple[str, ...]
    widths: tuple[WidthRow, ...]
    """The groups that lose units."""


@dataclass(frozen=True, kw_only=True)
class GroupSense:
    """What a group carries: the time of the operators it meets, and what cutting it does."""

    group: str
    kind: str
    units: int
    offered: tuple[int, ...]
    time_share: float
    """Of the network's operator time, in operators whose cost this group moves."""
    damage_at_half: float | None


@dataclass(frozen=True, kw_only=True)
class BlockSense:
    """What a residual block takes, and what dropping it does."""

    block: str
    time_share: float
    damage: float


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The expected frontier of one network on one target."""

    target: str
    runtime: RuntimeName
    source: CostSource
    unit: CostUnit
    exact: bool
    """Whether costs are exact for every choice; else an upper bound."""
    operators: tuple[OperatorRow, ...]
    """Where time goes now, and would go under the project's budget (the last of `points`)."""
    barriers: tuple[str, ...]
    groups: tuple[GroupSense, ...]
    blocks: tuple[BlockSense, ...]
    points: tuple[PlanPoint, ...]
    notes: tuple[str, ...]
