from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import fx, nn

from edgekit.data import Dataset, split
from edgekit.data.samples import InMemory
from edgekit.distill import Distilled, Hooks, distill
from edgekit.distill.objective import resolved
from edgekit.distill.tasks import of_functions
from edgekit.errors import DataError, ModelError, TrainingError
from edgekit.evaluate.accuracy import evaluate
from edgekit.program.program import Program, trace
from edgekit.types import DistillRecipe, Epoch, InputSpec, Preprocess, TaskSpec

INPUT = InputSpec(shape=(1, 6, 6))
RECIPE = DistillRecipe(epochs=4, batch_size=16, learning_rate=0.05, soft_weight=0.5)
SIDES = 4


def network(width: int, seed: int, classes: int = SIDES) -> Program:
    torch.manual_seed(seed)
    module = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Flatten(),
        nn.Linear(width * 36, classes),
    )
    return trace(module, (INPUT,))


def bright_side(count: int, seed: int) -> Dataset:
    """Noise with one bright edge: up, right, down or left."""
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, SIDES, count)
    values = generator.normal(size=(count, 1, 6, 6)).astype(np.float32)
    for image, side in zip(values, targets, strict=True):
        np.rot90(image[0], side)[0] += 1.5
    return Dataset(
        InMemory(values=values),
        targets,
        labels=("up", "right", "down", "left"),
        preprocess=Preprocess(scale=1),
    )


def unlabeled(dataset: Dataset) -> Dataset:
    return Dataset(
        InMemory(values=dataset.arrays()[0]),
        np.full(len(dataset), -1),
        labels=dataset.labels,
        preprocess=dataset.columns[0].preprocess,
    )


TRAIN, VALIDATION = split(bright_side(257 + 64, 0), 0.2, 0)
TEST = bright_side(200, 1)


def distilled(teacher: Program, student: Program, **changes: object) -> Distilled:
    settings = {
        "train": TRAIN,
        "validation": VALIDATION,
        "recipe": RECIPE,
        "seed": 0,
    } | changes
    return distill(teacher, student, **settings)


def test_student_learns_and_its_last_or_its_best_epoch_is_kept(
    teacher: Program,
) -> None:
    student = network(4, 1)
    before, distilled_before = student.fingerprint(), teacher.fingerprint()
    seen: list[Epoch] = []
    result = distilled(teacher, student, hooks=Hooks(on_epoch=seen.append))
    assert evaluate(teacher, TEST).value > 0.8
    assert evaluate(result.program, TEST).value > evaluate(student, TEST).value + 0.3
    assert result.epochs == tuple(seen)
    assert [epoch.number for epoch in seen] == [0, 1, 2, 3, 4]
    assert seen[-1].loss < seen[0].loss
    scores = [epoch.validation for epoch in seen]
    assert result.best_epoch == scores.index(max(scores))
    kept = evaluate(result.program, VALIDATION)
    assert kept.value == pytest.approx(scores[result.kept_epoch])
    best = max(scores)
    error = max(math.sqrt(best * (1 - best) / len(VALIDATION)), 1 / len(VALIDATION))
    assert result.kept_epoch == (4 if scores[-1] >= best - error else result.best_epoch)
    assert result.metric == "accuracy"
    assert student.fingerprint() == before
    assert teacher.fingerprint() == distilled_before


def test_result_is_in_evaluation_mode(teacher: Program) -> None:
    program = distilled(teacher, network(4, 1)).program
    x = torch.randn(8, 1, 6, 6)
    assert torch.equal(program.module(x), program.module(x))
    torch.testing.assert_close(program.module(x)[:1], program.module(x[:1]))
    assert all(p.grad is None for p in program.module.parameters())


@pytest.mark.parametrize("augment", ["none", "shift", "rand-flip"])
def test_seed_decides_everything(teacher: Program, augment: str) -> None:
    recipe = replace(RECIPE, epochs=2, augment=augment)

    student = network(4, 1)

    def run(seed: int) -> str:
        torch.seed()  # what happened before must not matter
        return distilled(
            teacher, student, recipe=recipe, seed=seed
        ).program.fingerprint()

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_labels_are_not_needed(teacher: Program) -> None:
    student = network(4, 1)
    result = distilled(
        teacher, student, train=unlabeled(TRAIN), validation=unlabeled(VALIDATION)
    )
    assert result.metric == "agreement"
    decisions = [
        program.module(torch.from_numpy(VALIDATION.arrays()[0])).argmax(1)
        for program in (teacher, result.program)
    ]
    agreement = (decisions[0] == decisions[1]).double().mean().item()
    assert result.epochs[result.kept_epoch].validation == pytest.approx(agreement)
    assert evaluate(result.program, TEST).value > 0.6


def test_a_penalty_is_descended_and_its_last_epoch_kept(teacher: Program) -> None:
    """Its gradient is not clipped, and what it cost in accuracy does not undo it."""

    def heavy(module: fx.GraphModule) -> torch.Tensor:
        return 5.0 * module.get_parameter("0.weight").square().sum()

    recipe = replace(RECIPE, losses={})
    result = distilled(teacher, teacher, recipe=recipe, hooks=Hooks(penalty=heavy))
    free = distilled(teacher, teacher, recipe=recipe)
    sizes = [
        float(p.program.module.get_parameter("0.weight").detach().norm())
        for p in (result, free)
    ]
    assert sizes[0] < 0.2 * sizes[1]
    assert result.kept_epoch == len(result.epochs) - 1
    # The report has the loss of the task alone: the penalty at first is above 20.
    assert result.epochs[1].loss < 5.0


def test_weights_can_be_put_right_after_every_step(teacher: Program) -> None:
    calls = []

    def freeze(module: fx.GraphModule) -> None:
        calls.append(module)
        with torch.no_grad():
            module.get_parameter("0.bias").fill_(0.25)

    program = distilled(teacher, network(4, 1), hooks=Hooks(after_step=freeze)).program
    assert len(calls) == RECIPE.epochs * (len(TRAIN) // RECIPE.batch_size)
    assert (program.module.get_parameter("0.bias") == 0.25).all()


@pytest.mark.parametrize("probabilities", [False, True])
def test_labels_are_smoothed(*, probabilities: bool) -> None:
    """Before training the loss is that of the definition, on logits and on probabilities."""
    torch.manual_seed(3)
    ends = [nn.Softmax(1)] if probabilities else []
    module = nn.Sequential(nn.Flatten(), nn.Linear(36, SIDES), *ends)
    student = trace(module, (INPUT,))
    recipe = replace(RECIPE, epochs=1, soft_weight=0.0, label_smoothing=0.3, losses={})
    found = distilled(student, student, recipe=recipe).epochs[0].loss
    values, targets = TRAIN.arrays()
    with torch.no_grad():
        logarithms = module[:2](torch.from_numpy(values)).log_softmax(1)
    own = logarithms[torch.arange(len(TRAIN)), torch.from_numpy(targets)]
    expected = -(0.7 * own + 0.3 * logarithms.mean(1)).mean()
    assert found == pytest.approx(expected.item(), rel=1e-5)


def test_divergence_is_an_error(teacher: Program) -> None:
    broken = network(4, 1)
    with torch.no_grad():
        next(broken.module.parameters()).fill_(float("inf"))
    with pytest.raises(TrainingError, match=r"diverged in epoch 1.*learning_rate"):
        distilled(teacher, broken)


def test_pairs_and_data_that_cannot_be_used(teacher: Program) -> None:
    with pytest.raises(ModelError, match="4 outputs and the student 7"):
        distilled(teacher, network(4, 1, classes=7))
    dense = trace(nn.Conv2d(1, 4, 3), (INPUT,))
    with pytest.raises(ModelError, match="student returns shape"):
        distilled(teacher, dense)
    with pytest.raises(DataError, match="at least 2"):
        distilled(teacher, network(4, 1), train=TRAIN.subset(np.array([0])))


def test_recipes_of_every_kind_train(teacher: Program) -> None:
    """Mixed and averaged, by AdamW on a cosine, in bf16, on views whose answers are kept."""
    changes = {"optimizer": "adamw", "schedule": "cosine", "mixup": 0.3, "ema": 0.9}
    recipe = replace(RECIPE, learning_rate=0.01, **changes)
    mixed = distilled(teacher, network(4, 1), recipe=recipe)
    assert evaluate(mixed.program, TEST).value > 0.5
    assert mixed.teacher_hit_rate == 0
    short = replace(RECIPE, epochs=2, precision="bf16", accumulate=3)
    assert (
        evaluate(distilled(teacher, network(4, 1), recipe=short).program, TEST).value
        > 0.4
    )


def test_training_ends_when_nothing_gets_better(teacher: Program) -> None:
    recipe = replace(RECIPE, learning_rate=1e-9, epochs=9, patience=2, ema=0.5)
    stalled = distilled(teacher, teacher, recipe=recipe)
    # Equal epochs count as better, so only a worse one can be waited out.
    assert len(stalled.epochs) <= 10
    lies = replace(recipe, soft_weight=0.0, learning_rate=0.5)
    wrong = Dataset(
        InMemory(values=TRAIN.arrays()[0]),
        (TRAIN.targets + 1) % SIDES,
        labels=TRAIN.labels,
        preprocess=TRAIN.columns[0].preprocess,
    )
    assert len(distilled(teacher, teacher, train=wrong, recipe=lies).epochs) == 3


def test_answers_are_kept_on_disk(teacher: Program, tmp_path: Path) -> None:
    """Two views of a sample: each asked for once, and not at all by the next training."""
    recipe = replace(RECIPE, epochs=4, views=2, losses={})
    fresh = distilled(teacher, network(4, 1), recipe=recipe)
    first = distilled(teacher, network(4, 1), recipe=recipe, outputs_folder=tmp_path)
    again = distilled(teacher, network(4, 1), recipe=recipe, outputs_folder=tmp_path)
    requested, samples = 4 * (len(TRAIN) // 16) * 16, len(TRAIN)
    assert first.teacher_hit_rate == pytest.approx(1 - 2 * samples / requested)
    assert again.teacher_hit_rate == 1
    prints = {each.program.fingerprint() for each in (fresh, first, again)}
    assert len(prints) == 1
    # A shard that is not what was written is computed again.
    shards = list(tmp_path.glob("*/shard-*"))
    assert len(shards) > 2
    shards[0].write_bytes(bytes(32) + shards[0].read_bytes()[32:])
    partly = distilled(teacher, network(4, 1), recipe=recipe, outputs_folder=tmp_path)
    assert 0 < partly.teacher_hit_rate < 1
    assert partly.program.fingerprint() in prints


def test_several_teachers_are_averaged(teacher: Program) -> None:
    """A teacher and its opposite average to nothing."""
    opposite = teacher.copy()
    with torch.no_grad():
        for name in ("5.weight", "5.bias"):
            opposite.module.get_parameter(name).neg_()
    recipe = replace(RECIPE, soft_weight=1.0, losses={}, epochs=3)
    found = {
        len(who): evaluate(
            distilled(who, network(4, 1), recipe=recipe).program, TEST
        ).value
        for who in ((teacher,), (teacher, opposite))
    }
    assert found[1] > found[2] + 0.2


def test_layers_are_compared_where_nothing_is_said(teacher: Program) -> None:
    default = distilled(teacher, network(4, 1), recipe=replace(RECIPE, epochs=1))
    assert default.losses == {"attention-transfer": 50.0}
    left_open = replace(RECIPE, losses=None)
    assert not resolved(left_open, teacher, network(4, 1), "segmentation").losses
    rows = trace(nn.Linear(5, 3), (InputSpec(shape=(5,)),))
    x = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    data = Dataset(
        InMemory(values=x), np.arange(40) % 3, labels=(), preprocess=Preprocess(scale=1)
    )
    plain = distilled(rows, rows, train=data, validation=data)
    assert plain.losses == {}


def test_every_kind_of_task_trains() -> None:
    """Dense classes, values, tokens: each judged by its own metric, which gets better."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(64, 1, 6, 6)).astype(np.float32)
    tokens = generator.normal(size=(64, 5, 4)).astype(np.float32)
    where = (x[:, 0] > 0).astype(np.int64)
    cases = (
        ("segmentation", nn.Conv2d(1, 2, 1), x, where, "mean IoU"),
        (
            "regression",
            nn.Linear(4, 1),
            tokens[:, 0],
            tokens[:, 0, :1],
            "mean absolute error",
        ),
        (
            "token-classification",
            nn.Linear(4, 4),
            tokens,
            tokens.argmax(2),
            "token accuracy",
        ),
        ("language-modeling", nn.Linear(4, 4), tokens, tokens.argmax(2), "perplexity"),
        (
            "embedding",
            nn.Linear(4, 3),
            tokens[:, 0],
            where[:, 0, 0],
            "cosine similarity",
        ),
    )
    for kind, module, inputs, targets, metric in cases:
        torch.manual_seed(0)
        spec = (InputSpec(shape=inputs.shape[1:]),)
        teacher, student = trace(module, spec), trace(copy.deepcopy(module), spec)
        with torch.no_grad():
            for parameter in student.module.parameters():
                parameter.copy_(0.1 * torch.randn_like(parameter))
        data = Dataset(
            InMemory(values=inputs), targets, labels=(), preprocess=Preprocess(scale=1)
        )
        recipe = replace(RECIPE, augment="none", learning_rate=0.2, epochs=5)
        found = distilled(
            teacher, student, train=data, validation=data, recipe=recipe, kind=kind
        )
        assert found.metric == metric
        first, kept = found.epochs[0], found.epochs[found.kept_epoch]
        gain = kept.validation - first.validation
        assert gain > 0 if found.higher_is_better else gain < 0, kind


class TwoHeads(nn.Module):
    """The classes, and four values that no label speaks of."""

    def __init__(self, width: int, seed: int, order: tuple[str, str]) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.order = order
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(36, width), nn.Tanh())
        self.classes, self.values = nn.Linear(width, SIDES), nn.Linear(width, 4)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        y = self.body(x)
        given = {"logits": self.classes(y), "values": 100 * self.values(y)}
        return {name: given[name] for name in self.order}


def two_heads(width: int, seed: int, *order: str) -> Program:
    module = TwoHeads(width, seed, order)  # type: ignore[arg-type]
    return replace(trace(module, (INPUT,)), reads=(order.index("logits"),))


def drift(teacher: Program, student: Program) -> float:
    """Fraction of the teacher's other output that is missing, by name."""
    x = torch.from_numpy(TEST.arrays()[0])
    theirs, ours = (p.module(x)["values"].detach() for p in (teacher, student))
    return float((ours - theirs).square().mean() / theirs.var())


@pytest.mark.parametrize("soft_weight", [0.5, 0.0])
@pytest.mark.parametrize("views", [None, 1])
def test_an_output_that_no_task_reads_stays_the_teachers(
    soft_weight: float, views: int | None
) -> None:
    """With labels alone too, and where the teacher's outputs are kept; names decide."""
    recipe = replace(RECIPE, epochs=6, soft_weight=soft_weight, views=views)
    start = two_heads(32, 0, "logits", "values")
    alone = replace(recipe, soft_weight=0.0, outputs_weight=0.0)
    teacher = distilled(start, start, recipe=alone).program
    assert teacher.reads == (0,) and evaluate(teacher, TEST).value > 0.8
    student = two_heads(8, 1, "values", "logits")
    followed = distilled(teacher, student, recipe=recipe).program
    left = replace(recipe, outputs_weight=0.0)
    drifted = distilled(teacher, student, recipe=left).program
    assert drift(teacher, drifted) > 0.8 > 0.6 > drift(teacher, followed)
    for one in (followed, drifted):
        assert evaluate(one, TEST).value > evaluate(student, TEST).value + 0.3


def test_several_outputs_and_none_named_are_refused_before_training() -> None:
    start = replace(two_heads(8, 0, "logits", "values"), reads=())
    with pytest.raises(ModelError, match=r"2 outputs \(logits, values\)"):
        distilled(start, start)


class Boxes(nn.Module):
    """Boxes in pixels and the scores of three places, apart, as logits or through a softmax."""

    def __init__(self, width: int, seed: int, *, squashed: bool) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.squashed = squashed
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(36, width), nn.Tanh())
        self.boxes, self.scores = nn.Linear(width, 12), nn.Linear(width, 6)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        y = self.body(x)
        scores = 3 * self.scores(y).unflatten(1, (3, 2))
        boxes = 100 * self.boxes(y).unflatten(1, (3, 4))
        return {
            "scores": scores.softmax(2) if self.squashed else scores,
            "boxes": boxes,
        }


def boxes(width: int, seed: int, *, squashed: bool) -> Program:
    return replace(trace(Boxes(width, seed, squashed=squashed), (INPUT,)), reads=(1, 0))


@pytest.mark.parametrize("squashed", [True, False])
def test_boxes_and_scores_apart_follow_the_teacher(squashed: bool) -> None:
    task = of_functions(TaskSpec(kind="detection", background=0), None)
    teacher, student = (boxes(w, w, squashed=squashed) for w in (16, 8))
    recipe = replace(RECIPE, epochs=12, optimizer="adamw", learning_rate=0.02)
    followed = distilled(teacher, student, recipe=recipe, task=task, kind="detection")
    assert followed.metric == "agreement"
    first, *_, last = followed.epochs
    assert last.loss < 0.7 * first.loss
    x = torch.from_numpy(TEST.arrays()[0])
    for name in ("boxes", "scores"):
        theirs = teacher.module(x)[name]
        before, after = (
            (one.module(x)[name] - theirs).square().mean().item()
            for one in (student, followed.program)
        )
        assert after < 0.7 * before


def test_scores_of_two_sorts_teach_nothing() -> None:
    task = of_functions(TaskSpec(kind="detection"), None)
    pair = boxes(16, 0, squashed=True), boxes(8, 1, squashed=False)
    with pytest.raises(ModelError, match="scores from 0 to 1 and some logits"):
        distilled(*pair, task=task, kind="detection")
