"""Exported programs of PyTorch as ExecuTorch programs for XNNPACK."""

from __future__ import annotations

import logging
import warnings
from typing import Any


def lowered(exported: Any) -> bytes:
    """The `.pte` of an exported program, with what XNNPACK computes given to it."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import (
        XnnpackPartitioner,
    )
    from executorch.exir import ExecutorchBackendConfig, to_edge_transform_and_lower
    from executorch.exir.passes import MemoryPlanningPass

    # Planned inputs share their memory with what is computed: a second run would read that.
    apart = MemoryPlanningPass(alloc_graph_input=False)
    settings = ExecutorchBackendConfig(memory_planning_pass=apart)

    with warnings.catch_warnings():
        # Of its own use of PyTorch, thousands in number.
        warnings.simplefilter("ignore", FutureWarning)
        logging.getLogger("executorch").setLevel(logging.ERROR)
        edge = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
        return bytes(edge.to_executorch(settings).buffer)
