"""What this machine has: runtimes that really import, meters that can be read, its facts."""

from __future__ import annotations

import numpy as np

from . import machine, runtimes, trace
from .errors import AgentError
from .meters import METERS, make
from .schema import Job, ProbeResult, RuntimeFacts


def probe(job: Job) -> ProbeResult:
    return {
        "schema": job["schema"],
        "kind": "probe",
        "error": None,
        "machine": machine.facts(),
        "numpy": np.__version__,
        "runtimes": _runtimes(),
        "conditions": trace.conditions(),
        "meters": {name: make(name).available() for name in METERS},
    }


def _runtimes() -> dict[str, RuntimeFacts]:
    found: dict[str, RuntimeFacts] = {}
    for name in runtimes.RUNTIMES:
        try:
            _, version = runtimes.find(name)
            found[name] = {"version": version, "reason": None}
        except AgentError as error:
            found[name] = {"version": None, "reason": error.message}
    return found
