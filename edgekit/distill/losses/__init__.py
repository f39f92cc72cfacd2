"""The distillation losses, and their weighted sum by the recipe.

`outputs` compares the outputs of two networks, `features`, `focal` and `transformers` their
inner layers, `relations` the similarities between the samples of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import torch
from torch import Tensor

from edgekit.distill.features import ModelOutputs
from edgekit.distill.losses import features, focal, outputs, relations, transformers
from edgekit.types import LossName

Between = Callable[[ModelOutputs, ModelOutputs, float], Tensor]
"""(student, teacher, temperature) to a loss () or (batch,)."""


def _each_pair(loss: Callable[[Tensor, Tensor], Tensor]) -> Between:
    def between(student: ModelOutputs, teacher: ModelOutputs, _: float) -> Tensor:
        pairs = zip(student.features, teacher.features, strict=True)
        return torch.stack([loss(ours, theirs) for ours, theirs in pairs]).mean()

    return between


def _each_projected(loss: Callable[[Tensor, Tensor], Tensor]) -> Between:
    def between(student: ModelOutputs, teacher: ModelOutputs, _: float) -> Tensor:
        pairs = zip(student.projected, teacher.features, strict=True)
        return torch.stack([loss(ours, theirs) for ours, theirs in pairs]).mean()

    return between


def _each_region(student: ModelOutputs, teacher: ModelOutputs, _: float) -> Tensor:
    if teacher.regions is None:
        raise ValueError("Without regions there is nothing to look at.")
    pairs = zip(student.projected, teacher.features, strict=True)
    each = [focal.focal_features(*pair, teacher.regions) for pair in pairs]
    return torch.stack(each).mean()


def _flow(student: ModelOutputs, teacher: ModelOutputs, _: float) -> Tensor:
    steps = zip(pairwise(student.projected), pairwise(teacher.features), strict=True)
    return torch.stack([features.flow(*step) for step in steps]).mean()


def _last_layer(loss: Callable[[Tensor, Tensor], Tensor]) -> Between:
    def between(student: ModelOutputs, teacher: ModelOutputs, _: float) -> Tensor:
        return loss(student.embedding, teacher.embedding)

    return between


def _last_maps(loss: Callable[[Tensor, Tensor], Tensor]) -> Between:
    def between(student: ModelOutputs, teacher: ModelOutputs, _: float) -> Tensor:
        return loss(student.features[-1], teacher.features[-1])

    return between


def _each_attention(
    loss: Callable[[transformers.Attention, transformers.Attention], Tensor],
) -> Between:
    def between(student: ModelOutputs, teacher: ModelOutputs, _: float) -> Tensor:
        pairs = zip(student.attentions, teacher.attentions, strict=True)
        return torch.stack([loss(ours, theirs) for ours, theirs in pairs]).mean()

    return between


def _last_attention(student: ModelOutputs, teacher: ModelOutputs, _: float) -> Tensor:
    return transformers.attention_relations(
        student.attentions[-1], teacher.attentions[-1]
    )


def _on_outputs(loss: Callable[[Tensor, Tensor, float], Tensor]) -> Between:
    def between(
        student: ModelOutputs, teacher: ModelOutputs, temperature: float
    ) -> Tensor:
        return loss(student.output, teacher.output, temperature)

    return between


LOSSES: Mapping[LossName, Between] = {
    "decoupled": _on_outputs(outputs.decoupled),
    "dist": _on_outputs(outputs.correlations),
    "hints": _each_projected(features.hints),
    "attention-transfer": _each_pair(features.attention_transfer),
    "flow": _flow,
    "relation-distances": _last_layer(relations.distances),
    "relation-angles": _last_layer(relations.triangles),
    "similarities": _last_maps(relations.similarities),
    "hidden-states": _each_projected(transformers.hidden_states),
    "attention-scores": _each_attention(transformers.attention_scores),
    "attention-relations": _last_attention,
    "focal-features": _each_region,
}
ON_FEATURES: frozenset[LossName] = frozenset(
    (
        *("hints", "attention-transfer", "flow", "hidden-states"),
        *("relation-distances", "relation-angles", "similarities"),
        "focal-features",
    )
)
"""Losses that look at layers of both networks."""
PROJECTED: frozenset[LossName] = frozenset(
    ("hints", "flow", "hidden-states", "focal-features")
)
"""Those of them that compare channel with channel, in the teacher's width."""
AT_REGIONS: frozenset[LossName] = frozenset(("focal-features",))
"""Those that look where the teacher sees things."""
ON_ATTENTION: frozenset[LossName] = frozenset(
    ("attention-scores", "attention-relations")
)
