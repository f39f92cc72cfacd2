"""One artifact on one device."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Run
from tests.runtime.conftest import write_tflite


def test_a_profile_that_cannot_be_had_does_not_lose_the_measurement(
    run: Run, tmp_path: Path
) -> None:
    """Two subgraphs: the interpreter runs the first, and nobody can cut it apart."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    file, history = tmp_path / "two.tflite", tmp_path / "history.jsonl"
    write_tflite(file)
    whole = schema.ModelT.InitFromObj(schema.Model.GetRootAs(file.read_bytes(), 0))
    whole.subgraphs = whole.subgraphs * 2
    builder = flatbuffers.Builder(1024)
    builder.Finish(whole.Pack(builder), b"TFL3")
    file.write_bytes(bytes(builder.Output()))
    brief = ("--launches", "1", "--seconds", "0.1", "--energy", "none")
    code, out, said = run("bench", file, "--profile", *brief, "--history", history)
    assert code == 5, said
    assert "has 2 subgraphs" in said
    assert "p50" in out
    assert len(history.read_text().splitlines()) == 1
