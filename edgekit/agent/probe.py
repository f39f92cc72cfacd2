"""Inventory of this machine: runtimes that really import, meters that can be read, its
facts.

A board that is not prepared has no numpy, and the probe works all the same.
"""

from __future__ import annotations

from . import machine, runtimes, trace
from .errors import AgentError
from .meters import METERS, make
from .schema import Job, ProbeResult, RuntimeFacts

try:
    import numpy
except ModuleNotFoundError:
    _NUMPY = None
else:
    _NUMPY = numpy.__version__
_WITHOUT = "it needs numpy, and this Python has none"


def probe(job: Job) -> ProbeResult:
    """Probe the machine; imports every runtime and opens every meter."""
    return {
        "schema": job["schema"],
        "kind": "probe",
        "error": None,
        "machine": machine.facts(),
        "numpy": _NUMPY,
        "runtimes": _runtimes(),
        "conditions": trace.conditions(),
        "meters": {name: make(name).available() for name in METERS},
    }


def _runtimes() -> dict[str, RuntimeFacts]:
    found: dict[str, RuntimeFacts] = {}
    for name in runtimes.names():
        if _NUMPY is None:
            found[name] = {"version": None, "reason": _WITHOUT}
            continue
        try:
            _, version = runtimes.find(name)
            found[name] = {"version": version, "reason": None}
        except AgentError as error:
            found[name] = {"version": None, "reason": error.message}
    return found
