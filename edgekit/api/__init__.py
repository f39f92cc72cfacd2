"""The library: from a network and data in memory to files on a device, step by step.

Each step works alone, needs no project file, prints nothing and logs to `edgekit`; `progress`
takes an `edgekit.progress.Progress` of the caller's instead.
"""

from edgekit.api.artifacts import evaluate, export, quantize
from edgekit.api.benchmarks import Benchmark, benchmark
from edgekit.api.bundles import Bundle, build
from edgekit.api.datasets import Data
from edgekit.api.differences import diff
from edgekit.api.fleet import BuildResult, build_many, build_request
from edgekit.api.networks import Network, load
from edgekit.api.plans import PruningPlan, plan, prune
from edgekit.api.searches import search
from edgekit.api.training import distill
from edgekit.types import Budget, Recipe

__all__ = [
    "Benchmark",
    "Budget",
    "BuildResult",
    "Bundle",
    "Data",
    "Network",
    "PruningPlan",
    "Recipe",
    "benchmark",
    "build",
    "build_many",
    "build_request",
    "diff",
    "distill",
    "evaluate",
    "export",
    "load",
    "plan",
    "prune",
    "quantize",
    "search",
]
