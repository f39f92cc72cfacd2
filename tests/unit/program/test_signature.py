"""Fingerprints of graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.program.program import Program, load, trace
from edgekit.types import InputSpec
from tests.unit.program.test_program import Arguments


def test_the_fingerprint_follows_arguments_constants_and_what_reads_what() -> None:
    def of(**given: Any) -> str:
        return trace(Arguments(**given), (InputSpec(shape=(2, 4, 4)),)).fingerprint()

    found = [of(), of(stride=2), of(factor=3.0), of(first=1)]
    assert len(set(found)) == len(found)
    assert of() == found[0]


def test_the_fingerprint_outlives_names_and_written_defaults(
    program: Program, tmp_path: Path
) -> None:
    program.save(tmp_path / "net.pt2")
    again = load(tmp_path / "net.pt2")
    assert again.fingerprint() == program.fingerprint()
    other = program.copy()
    for node in other.module.graph.nodes:
        if node.op == "call_function":
            node.name = f"called_{node.name}"
    assert other.fingerprint() == program.fingerprint()
