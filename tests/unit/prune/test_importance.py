import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edgekit.errors import DataError, UsageError
from edgekit.graph.graph import WidthGraph, analyze
from edgekit.program.program import trace
from edgekit.prune.importance import CRITERIA, WITHOUT_SAMPLES, importance
from edgekit.types import InputSpec
from tests.zoo.models import ZOO

WITH_SAMPLES = [name for name in CRITERIA if name not in WITHOUT_SAMPLES]


class Chain(nn.Module):
    """Eight channels that one batch norm scales and two convolutions read."""

    def __init__(self) -> None:
        super().__init__()
        self.make = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.left = nn.Conv2d(8, 5, 1)
        self.right = nn.Conv2d(8, 5, 3, padding=1)
        self.head = nn.Linear(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.norm(self.make(x)))
        return self.head((self.left(y) + self.right(y)).mean((2, 3)))


@pytest.fixture
def chain() -> Chain:
    torch.manual_seed(0)
    network = Chain().eval()
    with torch.no_grad():
        network.norm.weight.uniform_(0.5, 1.5)
        network.norm.bias.uniform_(0.0, 0.5)
    return network


@functools.cache
def zoo_graph(name: str) -> WidthGraph:
    return analyze(ZOO[name].program())


def graph_of(network: nn.Module) -> WidthGraph:
    return analyze(trace(network, (InputSpec(shape=(3, 8, 8)),)))


def samples(count: int = 32) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(count, 3, 8, 8, generator=generator)
    return [(images, torch.randint(4, (count,), generator=generator))]


def raw(network: nn.Module, criterion: str, **options: object) -> np.ndarray:
    return importance(graph_of(network), criterion, normalize=False, **options)["make"]  # type: ignore[arg-type]


def test_l1_sums_every_weight_that_leaves_with_a_channel(chain: Chain) -> None:
    expected = (
        chain.make.weight.abs().sum((1, 2, 3))
        + chain.norm.weight.abs()
        + chain.norm.bias.abs()
        + chain.left.weight.abs().sum((0, 2, 3))
        + chain.right.weight.abs().sum((0, 2, 3))
    )
    np.testing.assert_allclose(raw(chain, "l1"), expected.detach().numpy(), rtol=1e-6)


def test_l2_is_the_norm_of_the_same_weights(chain: Chain) -> None:
    expected = (
        (chain.make.weight**2).sum((1, 2, 3))
        + chain.norm.weight**2
        + chain.norm.bias**2
        + (chain.left.weight**2).sum((0, 2, 3))
        + (chain.right.weight**2).sum((0, 2, 3))
    ).sqrt()
    np.testing.assert_allclose(raw(chain, "l2"), expected.detach().numpy(), rtol=1e-6)


def test_batchnorm_is_the_size_of_the_scale(chain: Chain) -> None:
    with torch.no_grad():
        chain.norm.weight[2] = -3.0
    expected = chain.norm.weight.detach().abs().numpy()
    np.testing.assert_allclose(raw(chain, "batchnorm"), expected, rtol=1e-6)


def test_batchnorm_falls_back_to_l2_where_a_group_has_none(chain: Chain) -> None:
    scores = [importance(graph_of(chain), c)["left"] for c in ("batchnorm", "l2")]
    np.testing.assert_array_equal(*scores)


def test_activation_is_weight_times_root_mean_square_of_what_it_reads(
    chain: Chain,
) -> None:
    batches = samples()
    with torch.no_grad():
        read = F.relu(chain.norm(chain.make(batches[0][0])))
        size = (read**2).mean((0, 2, 3)).sqrt()
        weights = chain.left.weight.abs().sum((0, 2, 3))
        weights = weights + chain.right.weight.abs().sum((0, 2, 3))
    got = raw(chain, "activation", batches=batches)
    np.testing.assert_allclose(got, (weights * size).numpy(), rtol=1e-5)


def test_taylor_and_fisher_follow_the_loss_when_a_channel_fades(chain: Chain) -> None:
    """Weight times gradient, summed over its readers, is the slope of the loss in a channel's
    size; with one chunk of samples the scores are its magnitude and its square."""
    images, labels = samples(8)[0]
    assert labels is not None

    def loss(channel: int, size: float) -> float:
        scale = torch.ones(8, 1, 1, dtype=torch.float64)
        scale[channel] = size
        with torch.no_grad():
            y = F.relu(double.norm(double.make(images.double()))) * scale
            logits = double.head((double.left(y) + double.right(y)).mean((2, 3)))
            return float(F.cross_entropy(logits, labels))

    taylor = raw(chain, "taylor", batches=[(images, labels)])
    fisher = raw(chain, "fisher", batches=[(images, labels)])
    double = chain.double()
    slopes = [(loss(c, 1.001) - loss(c, 0.999)) / 0.002 for c in range(8)]
    np.testing.assert_allclose(taylor, np.abs(slopes), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(fisher, np.square(slopes), rtol=1e-3, atol=1e-6)


def test_reconstruction_gives_little_for_a_channel_that_others_can_make_up(
    chain: Chain,
) -> None:
    with torch.no_grad():
        chain.make.weight[1] = chain.make.weight[0]
        for tensor in (chain.norm.weight, chain.norm.bias):
            tensor[1] = tensor[0]
    alone = raw(chain, "activation", batches=samples())
    made_up = raw(chain, "reconstruction", batches=samples())
    twins, rest = made_up[:2], made_up[2:]
    assert twins.max() < 0.3 * rest.min()
    assert alone[:2].max() > 0.3 * alone[2:].min()


@pytest.mark.parametrize("criterion", WITH_SAMPLES)
def test_a_channel_that_is_always_zero_matters_least(
    chain: Chain, criterion: str
) -> None:
    with torch.no_grad():
        chain.norm.weight[3] = 0
        chain.norm.bias[3] = 0
    scores = importance(graph_of(chain), criterion, batches=samples())["make"]
    assert scores.argmin() == 3
    assert scores[3] < 1e-3


@pytest.mark.parametrize("criterion", CRITERIA)
def test_scores_have_mean_one_and_labels_are_optional(
    chain: Chain, criterion: str
) -> None:
    graph = graph_of(chain)
    before = graph.program.fingerprint()
    batches = [(samples()[0][0], None)]
    scores = importance(graph, criterion, batches=batches)
    assert {group.id: group.units for group in graph.groups} == {
        key: len(score) for key, score in scores.items()
    }
    for score in scores.values():
        assert score.dtype == np.float64
        assert score.mean() == pytest.approx(1)
        assert score.std() > 0
    again = importance(graph, criterion, batches=batches)
    assert all(np.array_equal(scores[key], again[key]) for key in scores)
    assert graph.program.fingerprint() == before
    assert all(p.grad is None for p in graph.program.module.parameters())


def test_own_outputs_are_drawn_from_not_matched(chain: Chain) -> None:
    """Against its soft outputs themselves the gradient would be zero."""
    unlabeled = [(samples()[0][0], None)]
    assert raw(chain, "taylor", batches=unlabeled).min() > 1e-6


def test_a_loss_of_ones_own_replaces_cross_entropy(chain: Chain) -> None:
    def twice(outputs: object, labels: torch.Tensor | None) -> torch.Tensor:
        assert isinstance(outputs, torch.Tensor)
        assert labels is not None
        return 2 * F.cross_entropy(outputs, labels)

    once = raw(chain, "taylor", batches=samples())
    double = raw(chain, "taylor", batches=samples(), loss=twice)
    np.testing.assert_allclose(double, 2 * once, rtol=1e-5)


@pytest.mark.parametrize("criterion", WITH_SAMPLES)
@pytest.mark.parametrize(
    "name", ["gqa_encoder", "lstm_bidirectional", "unet", "grouped_norm", "two_inputs"]
)
def test_every_kind_of_network_gets_finite_scores(name: str, criterion: str) -> None:
    entry, graph = ZOO[name], zoo_graph(name)
    scores = importance(graph, criterion, batches=[(entry.sample(16), None)])
    assert scores.keys() == {group.id for group in graph.groups}
    for score in scores.values():
        assert np.isfinite(score).all()
        assert (score >= 0).all()
        assert score.std() > 0


def test_an_unknown_criterion_is_named_with_the_nearest_one(chain: Chain) -> None:
    with pytest.raises(UsageError, match=r"'tailor'\. Did you mean 'taylor'"):
        importance(graph_of(chain), "tailor")


@pytest.mark.parametrize("criterion", WITH_SAMPLES)
def test_samples_are_requested(chain: Chain, criterion: str) -> None:
    with pytest.raises(DataError, match=f"'{criterion}' needs samples.*l1, l2"):
        importance(graph_of(chain), criterion)


def test_batchnorm_without_batch_norm_states_what_to_choose() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 4))
    with pytest.raises(UsageError, match=r"'batchnorm' needs batch norm.*Choose 'l2'"):
        importance(graph_of(network), "batchnorm")


def test_labels_alone_define_no_loss_for_two_outputs() -> None:
    entry = ZOO["two_outputs"]
    batches = [(entry.sample(4), torch.zeros(4, dtype=torch.int64))]
    with pytest.raises(DataError, match="2 outputs"):
        importance(zoo_graph("two_outputs"), "taylor", batches=batches)
    graph = zoo_graph("two_outputs")
    chosen = replace(graph, program=replace(graph.program, reads=(0,)))
    found = importance(chosen, "taylor", batches=batches)
    assert found.keys() == {group.id for group in graph.groups}
    assert all(np.isfinite(scores).all() for scores in found.values())
