"""`[recipe.distill]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from edgekit.types.names import Count, Fraction, LossName, Positive, Text


@dataclass(frozen=True, kw_only=True)
class StudentSpec:
    """A network of the user's, `model.py:small`, or the trained one made narrower or shallower."""

    source: Text | None = None
    weights: str | None = None
    """Without them it learns from scratch."""
    width: Annotated[float, Gt(0), Le(1)] | None = None
    """Fraction of the units of every width that stays."""
    depth: Annotated[float, Gt(0), Le(1)] | None = None
    """Fraction of the residual blocks that stays."""


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """A further teacher; `weight` is relative to the network's own 1."""

    source: Text
    weights: str | None = None
    weight: Positive = 1.0


@dataclass(frozen=True, kw_only=True)
class DistillRecipe:
    """Soft targets at `temperature` (Hinton et al., 2015, arXiv:1503.02531) mixed with labels,
    and further losses by weight."""

    epochs: Count = 20
    batch_size: Count | None = None
    """Samples of one step, in all processes and over all accumulated parts together; `None` is
    64, for detection 16."""
    accumulate: Count | None = None
    """In how many parts, one after another, the samples of a step are taken; `None` is 1, or as
    many as keep the activations of a part within 1 GiB, of no fewer than 16 samples."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: Positive | Literal["auto"] | None = "auto"
    """At its peak; `None` is 0.01 for `sgd`, 0.001 for `adamw`. `auto` tries these
    and a tenth to ten times as much in short trainings, and more while the highest is best, mostly
    a third of the training's steps in all; it takes the highest that is about as good as the best
    on validation samples. A training too short for that takes the default."""
    schedule: Literal["one-cycle", "cosine", "constant"] = "one-cycle"
    weight_decay: Annotated[float, Ge(0)] = 5e-4
    clip_norm: Positive = 5.0
    """Largest norm of the gradient; a longer one is scaled down to it."""
    temperature: Positive = 4.0
    soft_weight: Annotated[float, Ge(0), Le(1)] = 0.9
    """Fraction of the loss taken by soft targets; labels take the rest, where there are labels."""
    label_smoothing: Fraction = 0.0
    """Fraction of a label that is spread over all classes (Szegedy et al., 2016,
    arXiv:1512.00567); 0 is off. For labels that are classes, one of several."""
    losses: Mapping[LossName, Positive] | None = None
    """Additional losses, each with its weight; `None` is none for a pruned network, and for a
    classifier from scratch attention transfer, where both have maps of one size."""
    outputs_weight: Annotated[float, Ge(0)] = 1.0
    """Weight of the outputs that the task does not read: the squared difference from the
    teacher's, relative to their variance; 0 lets them drift."""
    pairs: Mapping[Text, Text] = field(default_factory=dict)
    """Layers to compare, teacher's node = student's node; found by themselves where empty."""
    augment: (
        Literal["none", "shift", "shift-flip", "scale-flip", "rand", "rand-flip"] | None
    ) = None
    """`None` is `shift`; for regression and detection, whose labels may lie in places, `none`.
    Boxes of images move along. `rand` is a shift and two random operations of RandAugment (Cubuk et
    al., 2020, arXiv:1909.13719) on turn, shear, brightness, contrast, colors and sharpness; boxes,
    masks and values refuse it."""
    views: Count | None = None
    """Number of augmented versions of a sample; `None` draws a new one every epoch. With a
    number the teacher's outputs can be kept."""
    mixup: Annotated[float, Ge(0)] = 0.0
    """Alpha of Zhang et al., 2018, arXiv:1710.09412; 0 is off."""
    ema: Fraction | None = None
    """Decay of a moving average of the weights, which is what is kept then."""
    patience: Count | None = None
    """Epochs without a better one after which training ends with the best epoch."""
    precision: Literal["fp32", "bf16"] = "fp32"
    shard: bool = False
    """True where several processes each hold a part of the student, as FSDP does, or all of it."""
    checkpoint_minutes: Annotated[float, Ge(0)] = 5.0
    """Minutes between two checkpoints of a training that can be killed and resumed."""
    validation_fraction: Fraction = 0.1
    student: Text | StudentSpec | None = None
    """The student: `model.py:small`, a `StudentSpec`, or "pruned"; `None` is the network,
    cut."""
    assistants: tuple[Text | StudentSpec, ...] = ()
    """Teacher assistants between teacher and student, each trained by the one before."""
    teachers: tuple[Text | NetworkSpec, ...] = ()
    """Teachers beside the trained network: their outputs are averaged by weight."""
