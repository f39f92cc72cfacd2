"""Kinds of tasks are records found by scanning, and no other module names one."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import edgekit
from edgekit import plugins, tasks
from edgekit.config import project
from edgekit.errors import ProjectError, UsageError
from edgekit.types import DEFAULT_TASK, VALUES_TASK

PACKAGE = Path(edgekit.__file__).parent
KNOWN = set(plugins.records("edgekit.tasks", tasks.TaskDefinition))
ALLOWED = {
    "types/names.py": {DEFAULT_TASK, VALUES_TASK},  # where no project names a kind
    # Roles of a width in the graph: that of an embedding's vectors.
    "graph/graph.py": {"embedding"},
    "data/coco_masks.py": {"segmentation"},  # a key of COCO's
    "graph/labels.py": {"embedding"},
    "graph/rules/indexing.py": {"embedding"},
    "graph/rules/normalization.py": {"embedding"},
    "graph/rules/scatter.py": {"embedding"},
}


def test_the_kinds_there_are() -> None:
    assert {
        "anomaly-detection",
        "binary-segmentation",
        "classification",
        "detection",
        "embedding",
        "image-restoration",
        "instance-segmentation",
        "keypoint-detection",
        "keyword-spotting",
        "language-modeling",
        "multi-label",
        "regression",
        "segmentation",
        "sequence-recognition",
        "token-classification",
    } == KNOWN


@pytest.mark.parametrize("room", sorted(p.name for p in PACKAGE.iterdir()))
def test_no_kind_is_named_outside_its_home(room: str) -> None:
    if room == "tasks":
        return
    place = PACKAGE / room
    for path in [place] if place.suffix == ".py" else place.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        allowed = ALLOWED.get(path.relative_to(PACKAGE).as_posix(), set())
        assert named & KNOWN <= allowed, path


@pytest.mark.parametrize("kind", sorted(KNOWN))
def test_a_definition_holds_together(kind: str) -> None:
    task = tasks.of(kind)
    assert task.dimensions is None or task.output.count(",") + 1 >= task.dimensions
    nothing = task.targets.unlabeled(3)
    assert len(nothing) == 3
    assert (nothing < 0).all() or np.isnan(nothing).all()
    if task.class_axis is not None:
        assert task.dimensions is not None
        assert -task.dimensions <= task.class_axis < task.dimensions


@pytest.mark.parametrize(
    "kind", ["", "clasification", "losses", "token_classification", "_x"]
)
def test_an_unknown_kind_is_refused_with_those_there_are(kind: str) -> None:
    with pytest.raises(UsageError) as error:
        tasks.of(kind)
    assert f"'{kind}'" in str(error.value)
    assert all(name in str(error.value) for name in KNOWN)
    if kind == "clasification":
        assert "Did you mean 'classification'?" in str(error.value)


def test_a_project_that_names_an_unknown_kind_is_refused_at_its_line(
    tmp_path: Path,
) -> None:
    (tmp_path / "edgekit.toml").write_text(
        '[model]\nsource = "net.pt2"\n[data]\ntrain = "a"\ntest = "b"\n'
        '[task]\nkind = "segmentaton"\n'
    )
    with pytest.raises(ProjectError) as error:
        project.load(tmp_path)
    assert "line 7" in str(error.value) or ":7" in str(error.value)
    assert "Did you mean 'segmentation'?" in str(error.value)
