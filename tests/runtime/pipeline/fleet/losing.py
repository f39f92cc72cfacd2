"""Builds on two nodes of Ray on this machine, of which one is killed: `python -m ... FOLDER`.

Prints what became of each build: the one that only the killed node could run first.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from edgekit.pipeline.fleet import cluster
from edgekit.pipeline.fleet.cluster import ClusterOptions
from edgekit.pipeline.fleet.lending import Lender
from edgekit.pipeline.fleet.records import TaskState
from tests.runtime.pipeline.fleet import works
from tests.unit.pipeline.fleet.tasks import device, farm, task

_BYTES = 100 * 2**20


@contextmanager
def two_nodes(**resources: float) -> Iterator[Any]:
    """A cluster of two nodes; the second, which has the resources besides."""
    import ray
    from ray.cluster_utils import Cluster

    own = {"object_store_memory": _BYTES, "num_cpus": 1}
    head = {**own, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    try:
        # Before there is a second node at this address, which might be taken for the own one.
        ray.init(address=made.address, log_to_driver=False, logging_level=50)
        yield made.add_node(resources=resources, **own)
    finally:
        ray.shutdown()
        made.shutdown()


def main(folder: Path) -> None:
    [attached] = works.tasks(folder, "waits-phone")
    elsewhere = [
        replace(one, request=task("x", target="intel-n100").request)
        for one in works.tasks(folder, "fine-a", "fine-b", "fine-c")
    ]
    killed: list[int] = []
    lender = Lender(farm(device("phone", node="bench-2")))
    with two_nodes(**{"bench-2": 1}) as node:

        def watch(states: Sequence[TaskState]) -> None:
            on_it = [state.task.name for state in states if _is_on(state, node)]
            if not killed and "waits-phone" in on_it:
                killed.append(works.kill(node))

        options = ClusterOptions(retries=2, patience_s=4)
        states = cluster.run(
            [attached, *elsewhere], works.work, lender, options=options, watch=watch
        )
    if not killed:
        sys.exit("No node was killed.")
    found = [_facts(state, node) for state in states]
    print(json.dumps(found))


def _is_on(state: TaskState, node: Any) -> bool:
    current = state.current
    return current is not None and current.machine.endswith(node.node_id[:6])


def _facts(state: TaskState, node: Any) -> dict[str, Any]:
    failure = state.done.failure if state.done else None
    return {
        "name": state.task.name,
        "node": node.node_id[:6],
        "phase": state.phase,
        "failure": failure and asdict(failure),
        "lost": [one.lost for one in state.attempts],
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
