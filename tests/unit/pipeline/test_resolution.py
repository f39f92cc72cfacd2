"""Projects that leave no choice of a size are refused before anything is exported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from edgekit.errors import ModelError, ProjectError
from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.resolution import networks_of
from edgekit.program.program import trace
from edgekit.types import InputSpec


class Head(nn.Module):
    """Takes any size that is a multiple of four, or only its own one."""

    def __init__(self, *, fixed: bool) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 2, 3, stride=4, padding=1)
        self.pool = nn.Identity() if fixed else nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(2 * 16 if fixed else 2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.body(x)).flatten(1))


def images(loaded: Loaded, *, fixed: bool = False) -> Loaded:
    network = Head(fixed=fixed).eval()
    return replace(loaded, teacher=trace(network, (InputSpec(shape=(3, 16, 16)),)))


def asking(
    request: BuildRequest, resolution: Any, task: str = "classification", **recipe: Any
) -> BuildRequest:
    project = request.project
    prune = replace(project.recipe.prune, resolution=resolution)
    distill = replace(project.recipe.distill, **recipe.pop("distill", {}))
    changed = replace(project.recipe, prune=prune, distill=distill, **recipe)
    spec = replace(project.task, kind=task)
    return replace(request, project=replace(project, recipe=changed, task=spec))


def test_sizes_are_offered_where_the_network_takes_them(
    request_: BuildRequest, loaded: Loaded
) -> None:
    free = networks_of(asking(request_, "free"), images(loaded))
    assert [one.inputs[0].shape for one in free] == [(3, 12, 12), (3, 8, 8)]
    listed = networks_of(asking(request_, (10,)), images(loaded))
    assert [one.inputs[0].shape for one in listed] == [(3, 10, 10)]
    assert networks_of(asking(request_, "fixed"), images(loaded, fixed=True)) == ()


def test_a_network_that_holds_its_size_is_refused_by_its_layer(
    request_: BuildRequest, loaded: Loaded
) -> None:
    with pytest.raises(ModelError, match=r"images of 12 x 12: layer 'head'"):
        networks_of(asking(request_, "free"), images(loaded, fixed=True))
    with pytest.raises(ModelError, match="one image"):
        networks_of(asking(request_, "free"), loaded)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "segmentation"}, "and this is segmentation"),
        ({"task": "detection"}, "and this is detection"),
        ({"distill": {"teachers": ("other.py:net",)}}, "without teachers"),
        ({"objective": "fastest"}, "most-accurate"),
    ],
)
def test_a_project_without_a_choice_is_refused(
    request_: BuildRequest, loaded: Loaded, changes: Mapping[str, Any], words: str
) -> None:
    with pytest.raises(ProjectError, match=words):
        networks_of(asking(request_, "free", **changes), images(loaded))


def test_a_list_without_a_smaller_size_is_refused(
    request_: BuildRequest, loaded: Loaded
) -> None:
    with pytest.raises(ProjectError, match=r"\[16, 32\] has no size below 16 x 16"):
        networks_of(asking(request_, (16, 32)), images(loaded))
