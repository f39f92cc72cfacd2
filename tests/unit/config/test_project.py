from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.config import project, targets
from edgekit.errors import ProjectError

MINIMAL = """\
[model]
source = "model.py:build"
input  = { shape = [3, 32, 32] }

[data]
train = "data/train"
test  = "data/test"

[budget]
speedup = 2.0

[target.raspberrypi4.budget]
latency_ms = 20

[target.raspberrypi4.recipe.distill]
epochs = 3
"""


def written(folder: Path, text: str) -> Path:
    (folder / "edgekit.toml").write_text(text)
    return folder


def test_defaults_fill_what_is_not_written(tmp_path: Path) -> None:
    one = project.load(written(tmp_path, MINIMAL))
    assert one.name == tmp_path.name
    assert one.model.input is not None and one.model.input.shape == (3, 32, 32)
    assert one.budget.speedup == 2.0
    assert one.budget.latency_ms is None
    assert one.recipe.distill.epochs == 20


def test_a_target_overrides_only_what_it_names(tmp_path: Path) -> None:
    one = project.load(written(tmp_path, MINIMAL))
    pi = one.for_target(targets.load("raspberrypi"))
    assert (pi.budget.speedup, pi.budget.latency_ms) == (2.0, 20)
    assert pi.recipe.distill.epochs == 3
    assert pi.recipe.distill.temperature == one.recipe.distill.temperature
    n100 = one.for_target(targets.load("intel-n100"))
    assert n100.budget == one.budget and n100.recipe == one.recipe


def test_budgets_count_in_the_order_in_which_they_are_written(tmp_path: Path) -> None:
    multiple = "accuracy_drop = 0.01\nspeedup = 2.0"
    one = project.load(written(tmp_path, MINIMAL.replace("speedup = 2.0", multiple)))
    assert one.priority == ("accuracy_drop", "speedup")
    pi = one.for_target(targets.load("raspberrypi"))
    assert pi.priority == ("accuracy_drop", "speedup", "latency_ms")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("speedup = 2.0", "speedpu = 2.0", ["edgekit.toml:10", "speedpu", "'speedup'"]),
        ("speedup = 2.0", "speedup = -1", ["edgekit.toml:10", "budget.speedup", "-1"]),
        (
            "latency_ms = 20",
            'latency_ms = "fast"',
            ["edgekit.toml:13", "fast", "number"],
        ),
        ("[3, 32, 32]", "[3, 0, 32]", ["edgekit.toml:3", "shape", "0"]),
        ('train = "data/train"\n', "", ["data", "train"]),
        ("[budget]", "[budgte]", ["edgekit.toml:9", "budgte", "'budget'"]),
        ("speedup = 2.0", "speedup = ", ["edgekit.toml:10"]),
        ("input  = { shape = [3, 32, 32] }", "", ["edgekit.toml:2", "input"]),
    ],
)
def test_a_mistake_names_its_place(
    tmp_path: Path, old: str, new: str, words: list[str]
) -> None:
    assert old in MINIMAL
    with pytest.raises(ProjectError) as caught:
        project.load(written(tmp_path, MINIMAL.replace(old, new)))
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_an_override_of_an_unknown_target_is_refused(tmp_path: Path) -> None:
    text = MINIMAL.replace("target.raspberrypi4.budget", "target.rasberrypi4.budget")
    with pytest.raises(
        ProjectError, match=r"edgekit\.toml:12.*Did you mean 'raspberrypi4'"
    ):
        project.load(written(tmp_path, text))


def test_mean_and_std_must_pair(tmp_path: Path) -> None:
    text = MINIMAL + "\n[data.preprocess]\nmean = [0.1, 0.2, 0.3]\nstd = [1.0]\n"
    with pytest.raises(ProjectError, match="3 and 1 numbers"):
        project.load(written(tmp_path, text))


def test_settings_of_a_command_go_before_the_file_and_its_targets(mine: Path) -> None:
    with (mine / "edgekit.toml").open("a") as toml:
        toml.write("[target.raspberrypi4.budget]\nspeedup = 3\n")
    whole = project.load(mine).for_target(targets.load("raspberrypi4"))
    lines = (
        *("recipe.distill.epochs=5", "budget.speedup = 2.5", "budget.size_mb=1"),
        *("recipe.prune.importance=taylor", 'recipe.distill.optimizer="adamw"'),
    )
    changed = whole.with_settings(lines)
    assert (whole.budget.speedup, changed.budget.speedup) == (3, 2.5)
    assert changed.recipe.distill.epochs == 5
    assert changed.recipe.prune.importance == "taylor"
    assert changed.recipe.distill.optimizer == "adamw"
    assert changed.priority[-1] == "size_mb"
    assert changed.budget.accuracy_drop == whole.budget.accuracy_drop
    assert whole.with_settings(()) == whole


def test_settings_reach_every_table(mine: Path) -> None:
    whole = project.load(mine)
    lines = (
        *("model.source=other.py:build", "model.input.shape=[3, 64, 64]"),
        *("data.test=data/more", "data.preprocess.scale=1", "task.metric=f1"),
        *("gate.size_mb=2", "name=other"),
    )
    changed = whole.with_settings(lines)
    assert changed.model.source == "other.py:build"
    assert changed.model.weights == whole.model.weights
    assert changed.model.input is not None
    assert changed.model.input.shape == (3, 64, 64)
    assert (changed.data.test, changed.data.train) == ("data/more", whole.data.train)
    assert changed.data.preprocess.scale == 1
    assert changed.data.preprocess.mean == whole.data.preprocess.mean
    assert (changed.task.metric, changed.task.kind) == ("f1", whole.task.kind)
    assert (changed.gate.size_mb, changed.name) == (2, "other")
    assert changed.recipe == whole.recipe


def test_boxes_are_decoded_for_the_size_of_an_input_that_is_set(mine: Path) -> None:
    whole = project.load(mine)
    shape = "model.input.shape=[3, 64, 48]"
    changed = whole.with_settings(["task.kind=detection", "task.decoder=yolov8", shape])
    assert changed.task.box_decoder is not None
    assert changed.task.box_decoder.size == (64, 48)
    given = "task.decoder={head='yolov8', size=[20, 20]}"
    fixed = whole.with_settings(["task.kind=detection", given, shape])
    assert fixed.task.box_decoder is not None
    assert fixed.task.box_decoder.size == (20, 20)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("recipe.distill.epocs=5", "Did you mean 'epochs'?"),
        ("recipe.distill.epochs=-5", "recipe.distill.epochs = -5: should be"),
        ("recipe.distill.epochs", "no value"),
        ("data.trian=x", "Did you mean 'train'?"),
        ("dta.train=x", "Did you mean 'data'?"),
        ("model.source=5", "--set:1: model.source = 5: should be text"),
        ("task.kind=clasification", 'task.kind = "clasification": There is no kind'),
        (
            "data.preprocess.mean=[0.5]",
            "data.preprocess.mean = [0.5]: mean and std have 1",
        ),
        ("target.raspberrypi4.budget.latency_ms=2", "for every target"),
        ("=5", "not valid TOML"),
    ],
)
def test_a_setting_that_the_file_could_not_have_is_refused(
    mine: Path, line: str, words: str
) -> None:
    with pytest.raises(ProjectError) as refused:
        project.load(mine).with_settings([line])
    assert words in str(refused.value) and str(refused.value).startswith("--set")
