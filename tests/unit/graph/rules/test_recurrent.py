"""Recurrent layers: groups found."""

from __future__ import annotations

from torch import Tensor, nn

from tests.unit.graph.small import (
    Net,
    found,
    widths,
)


def test_a_recurrent_layer_over_channels_keeps_them() -> None:
    def run(n: Net, x: Tensor) -> Tensor:
        return n.cells(n.one(x))[0].mean(1)

    layers = {"one": nn.Conv1d(2, 6, 1), "cells": nn.GRU(4, 5, batch_first=True)}
    graph = found(Net(run, **layers), 2, 4)
    assert "one" not in widths(graph)
