"""Operators that releases of a runtime read."""

from __future__ import annotations

from edgekit.program.layer_attribution import layer_behind
from edgekit.report.export_words import incompatibility_cause
from edgekit.runtimes.operators import of_file, table


def test_the_table_of_the_old_runtime_finds_the_operator(shuffled) -> None:
    program, [tflite, _] = shuffled
    known = table("tflite-runtime", "2.14.0")
    assert known is not None
    lacking = [
        one for one in of_file(tflite.runtime, tflite.files[0]) if known.lacks(one)
    ]
    assert [one.kind for one in lacking] == ["STABLEHLO_SCATTER"]
    problem = known.lacks(lacking[0])
    assert problem is not None
    assert (
        incompatibility_cause(problem)
        == "tflite-runtime 2.14.0 has no STABLEHLO_SCATTER"
    )
    assert layer_behind(program, lacking[0].kind, lacking[0].names) == "blocks.0.mix"


def test_versions_beyond_the_table_are_named(shuffled) -> None:
    from dataclasses import replace

    _, [tflite, _] = shuffled
    known = table("tflite-runtime", "2.14.0")
    assert known is not None
    dense = next(
        o
        for o in of_file(tflite.runtime, tflite.files[0])
        if o.kind == "FULLY_CONNECTED"
    )
    assert known.lacks(dense) is None
    problem = known.lacks(replace(dense, version=14))
    assert problem is not None
    assert (problem.version, problem.supported) == (14, 10)
    assert incompatibility_cause(problem) == (
        "tflite-runtime 2.14.0 reads FULLY_CONNECTED up to version 10, and this is "
        "version 14"
    )
