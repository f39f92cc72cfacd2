"""Kinds of tasks: how outputs and targets look, what is learned from them, how good they are.

A kind of task is a module here (or under `tasks/` in a folder of `EDGEKIT_PLUGINS`) whose
`RECORD` is a `TaskDefinition`: `token_classification.py` is `[task] kind =
"token-classification"`. It is found by scanning, and no other module names a kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgekit import plugins
from edgekit.errors import UsageError
from edgekit.suggestions import suggest
from edgekit.types import Evaluation, TaskKind, TaskSpec

if (
    TYPE_CHECKING
):  # they load PyTorch, which a command that reads no project does not need
    from edgekit.tasks.decoding import Decode
    from edgekit.tasks.losses import BoxForm, TaskLosses
    from edgekit.tasks.scores import Metric, Outputs
    from edgekit.tasks.targets import TargetFormat, Targets

plugins.extend(__name__)


@dataclass(frozen=True, kw_only=True)
class TaskDefinition:
    """One kind of task."""

    targets: TargetFormat
    losses: TaskLosses
    metrics: Mapping[str, Metric]
    """Valid values of `[task] metric`; without one, the user's own function is needed."""
    own_metric: Metric | None = None
    """The metric where none is named; `None` is the first of `metrics`."""
    dimensions: int | None = None
    """Of the network's output, the batch counted; `None` is any number."""
    output: str = ""
    """Form of the output, in errors: "logits, (batch, classes)"."""
    class_axis: int | None = None
    """The dimension of the classes where outputs are logits, from which one is decided for."""
    link: Literal["softmax", "sigmoid"] | None = None
    """The function from logits to probabilities of outputs without a `class_axis`: over classes,
    or each for itself."""
    fits: Callable[[tuple[int, ...], Targets], str | None] = lambda shape, targets: None
    """The fault of targets (n, ...) for an output of `shape`, the batch counted, as a sentence;
    `None` where they fit."""
    decisions: str = "the decisions"
    """Unit of decisions where there is a `class_axis`: "the pixels"."""
    agreement: Metric | None = None
    """Agreement of two networks' outputs; `None` is the fraction of equal decisions where there
    is a `class_axis`, else the mean absolute difference."""
    located: bool = False
    """True where outputs are boxes and scores, in one tensor or in two."""
    box_losses: Callable[[BoxForm], TaskLosses] | None = None
    """Where outputs are those without a known form: the losses by what is found of it."""
    by_spec: Callable[[TaskSpec], TaskDefinition] | None = None
    """The kind with the other settings of a project's task, such as the length of a sample."""
    decoded: Callable[[TaskSpec], TaskDefinition] | None = None
    """The kind of task where the form of its outputs is known by `[task] decoder`."""
    box_metrics: Callable[[Decode], Mapping[str, Metric]] | None = None
    """Metrics of the boxes that a decoder finds in outputs."""
    finds_masks: bool = False
    """True where decoders, which are functions of the user's, find a mask with each box."""
    maps: Callable[[Outputs], Targets] | None = None
    """From outputs to the class of each pixel (n, height, width), for reports' pictures."""
    points: Callable[[Outputs], Outputs] | None = None
    """From outputs to keypoints (n, points, 2) in the targets' unit, for reports' pictures."""
    parts: Callable[[Outputs], tuple[Outputs, ...]] = lambda outputs: (outputs,)
    """Parts of an output in different units, which are compared each by itself."""
    batch_size: int = 64
    """Samples of a step of training where the recipe names no number."""
    shifts: bool = True
    """True where targets stay right where an image is moved by some pixels."""
    answered_by_network: bool = False
    """True where the unpruned network's outputs are the targets where data have none."""

    @property
    def metric(self) -> Metric | None:
        """The metric where none is named; `None` where there is no such one."""
        return self.own_metric or next(iter(self.metrics.values()), None)

    @property
    def takes_logits(self) -> bool:
        """Return whether the kind's own losses are of logits."""
        return self.class_axis is not None or self.link is not None

    @property
    def labels_samples(self) -> bool:
        """Return whether an output is one row of class scores, whose highest names the sample."""
        return self.class_axis is not None and self.dimensions == 2

    def agree(self, outputs: Outputs, others: Outputs) -> Evaluation:
        """Agreement of two networks on the same samples, without labels.

        Outputs (n, ...) as the networks give them.
        """
        from edgekit.tasks.scores import distance, same_decisions

        if self.agreement is not None:
            return self.agreement(outputs, others)
        if self.class_axis is None:
            return distance(outputs, others)
        return same_decisions(outputs, others, self.class_axis)


def of(task: TaskKind | TaskSpec) -> TaskDefinition:
    """The kind of task by its name, or with the settings of a project's task, such as a decoder.

    Raises `UsageError` where there is no such kind or decoder.
    """
    if isinstance(task, str):
        return _named(task)
    found = _named(task.kind)
    if found.by_spec is not None:
        found = found.by_spec(task)
    if task.decoder is None:
        return found
    if found.decoded is None:
        raise UsageError(
            f"[task] decoder is of detectors, and the kind is {task.kind}. Leave it out."
        )
    return found.decoded(task)


def _named(kind: TaskKind) -> TaskDefinition:
    found = plugins.record(__name__, kind, TaskDefinition)
    if found is None:
        known = plugins.records(__name__, TaskDefinition)
        hint = suggest(kind, known)
        raise UsageError(
            f"There is no kind of task '{kind}'.{hint} Known: {', '.join(known)}."
        )
    return found
