"""The frontier's arithmetic: what ships, what a peer needs at equal accuracy, and the means."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.frontier_networks import NETWORKS
from benchmarks.frontier_show import (
    latency,
    markdown,
    means,
    peers,
    ratios,
    shipped,
    speedups,
    summarize,
)


def row(
    method: str,
    precision: str,
    point: float,
    accuracy: float,
    fraction: float,
    **others: Any,
) -> dict[str, Any]:
    return {
        "network": "sound",
        "method": method,
        "target": "litert",
        "precision": precision,
        "point": point,
        "seed": 0,
        "parameters": 10,
        "metric": "accuracy",
        "accuracy": accuracy,
        "us": 100 * fraction,
        "fraction": fraction,
        **others,
    }


UNCUT = [row("uncut", "fp32", 1, 0.90, 1.0), row("uncut", "int8", 1, 0.89, 0.5)]
PEER = [
    row("torch-pruning taylor", "fp32", 0.5, 0.80, 0.6),
    row("torch-pruning taylor", "int8", 0.5, 0.79, 0.3),
]
OURS = [row("edgekit", "fp32", 1.5, 0.85, 0.5), row("edgekit", "int8", 1.5, 0.845, 0.2)]


def test_a_peers_latency_is_read_off_between_its_neighbors() -> None:
    curve = [(0.9, 1.0), (0.8, 0.6)]
    assert latency(curve, 0.85) == pytest.approx(0.8)
    assert latency(curve, 0.9) == 1.0
    assert latency(curve, 0.95) is None
    # One that is more accurate and faster serves as well.
    assert latency([(0.9, 1.0), (0.88, 0.4), (0.8, 0.6)], 0.81) == 0.4


def test_a_cut_is_compared_where_a_peer_is_as_bad_and_at_most_at_its_best() -> None:
    curves = [[(0.9, 1.0), (0.8, 0.6)], [(0.88, 0.7)]]
    assert ratios([(0.85, 0.35)], curves) == pytest.approx([2.0])
    assert ratios([(0.95, 0.5)], curves) == pytest.approx([2.0])
    assert ratios([(0.70, 0.1)], curves) == []
    assert ratios([(0.85, 0.35)], []) == []


def test_the_fastest_of_the_accurate_files_ships() -> None:
    worse = row("edgekit", "int8-mixed", 1.5, 0.83, 0.1)
    other = row("edgekit", "fp32", 2.2, 0.80, 0.4)
    assert [*shipped([*OURS, worse, other, *PEER])] == [(0.845, 0.2), (0.80, 0.4)]


def test_a_peers_frontier_begins_at_the_uncut_file_of_its_precision() -> None:
    found = peers([*UNCUT, *PEER, *OURS])
    assert found["torch-pruning taylor", "int8"] == [(0.89, 0.5), (0.79, 0.3)]
    assert found["uncut", "int8"] == [(0.89, 0.5)]
    assert not any(method == "edgekit" for method, _ in found)


def test_each_network_has_both_figures_and_those_not_measured_none() -> None:
    found = summarize([*UNCUT, *PEER, *OURS])
    sound = found["networks"]["sound"]
    # At 0.845: fp32 of the default lies at 0.78, int8 of the best peer at 0.41.
    assert sound["speedup_over_tp_default_fp32"] == pytest.approx(0.78 / 0.2)
    assert sound["speedup_over_best_peer"] == pytest.approx(0.41 / 0.2)
    assert found["speedup_over_best_peer"] == sound["speedup_over_best_peer"]
    assert set(found["networks"]) == set(NETWORKS)
    assert found["networks"]["text"]["speedup_over_best_peer"] is None
    assert (sound["points"], sound["compared"]["speedup_over_best_peer"]) == (1, 1)


def test_edgekit_is_asked_for_the_speeds_of_the_peers_files() -> None:
    deepest = row("torch-pruning greg", "int8", 0.7, 0.5, 0.01)
    rows = [*UNCUT, *PEER, *OURS, deepest]
    # The peer's int8 file takes 0.3, the fastest uncut one 0.5: 1.67 times, and its root.
    assert speedups(rows, NETWORKS["sound"], "litert") == (1.29, 1.67)
    rounded = row("torch-pruning greg round 16", "int8", 0.5, 0.8, 0.2)
    found = speedups([*rows, rounded], NETWORKS["sound"], "litert")
    assert found == (1.58, 2.5), "half is not the deepest cut where nothing is rounded"
    own = NETWORKS["sound"].speedups
    assert speedups(UNCUT, NETWORKS["sound"], "litert") == own
    assert speedups(rows, NETWORKS["sound"], "onnxruntime") == own
    assert speedups(rows, NETWORKS["text"], "litert") == own


def test_rows_without_a_latency_take_no_part() -> None:
    waiting = [{**one, "us": None, "fraction": None} for one in (*UNCUT, *PEER, *OURS)]
    assert means(waiting) == []
    assert summarize(waiting)["speedup_over_tp_default_fp32"] is None


def test_seeds_are_averaged_and_their_spread_is_known() -> None:
    again = {**OURS[0], "seed": 1, "accuracy": 0.87}
    [found] = means([OURS[0], again])
    assert found["accuracy"] == pytest.approx(0.86) and found["seeds"] == 2
    assert found["accuracy_std"] == pytest.approx(0.01 * 2**0.5)


def test_the_table_has_a_line_a_network_and_a_file() -> None:
    lines = markdown([*UNCUT, *PEER, *OURS])
    assert "| sound | 3.90x | 2.05x | 1 of 1 |" in lines
    assert "| text | – | – | 0 of 0 |" in lines
    assert sum(line.startswith("| sound | litert") for line in lines) == 6
