"""`edgekit decoder`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.unit.decoders.conftest import written as written
from tests.unit.decoders.test_folder_trim import written as written_with_bytes

Written = Callable[[str], Path]


def test_cut_and_distill(run: Run, written: Written, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the quick brown fox jumps over the lazy dog. " * 30)
    common = ("--text", str(text), "--length", "32", "--rows", "20")
    source, cut, small = str(written("qwen2")), tmp_path / "cut", tmp_path / "small"
    status, out, error = run(
        "decoder", "cut", source, *common, "--depth", "0.25", "-o", str(cut), "--json"
    )
    assert status == 0, error
    found = json.loads(out)
    assert found["after"]["blocks"] == 3
    status, out, error = run(
        *("decoder", "distill", str(cut), *common, "--teacher", source),
        *("-o", str(small), "--steps", "3"),
    )
    assert status == 0, error
    assert "Blocks 4 to 3" in " ".join(out.split())
    assert json.loads((small / "config.json").read_text())["num_hidden_layers"] == 3


def test_a_decoder_of_another_vocabulary_is_no_teacher(
    run: Run, tmp_path: Path
) -> None:
    whole, text = tmp_path / "whole", tmp_path / "text.txt"
    written_with_bytes(whole, "qwen2")
    text.write_text("the quick brown fox. " * 60)
    common = ("--text", str(text), "-o")
    status, out, error = run(
        "decoder", "trim", str(whole), *common, str(tmp_path / "trimmed")
    )
    assert status == 0, error
    assert " ".join(out.split()).startswith("Vocabulary ")
    status, _, error = run(
        *("decoder", "cut", str(tmp_path / "trimmed"), *common, str(tmp_path / "cut")),
        *("--depth", "0.25", "--length", "16"),
    )
    assert status == 0, error
    status, _, error = run(
        *("decoder", "distill", str(tmp_path / "cut"), "--teacher", str(whole)),
        *(*common, str(tmp_path / "small"), "--length", "16"),
    )
    assert status == 2
    assert "Trim the uncut folder first" in " ".join(error.split())


@pytest.mark.parametrize(
    "options", [(), ("--depth", "0.25", "--budget", "tokens_per_s=3")]
)
def test_cut_takes_fractions_or_a_budget(
    run: Run, written: Written, tmp_path: Path, options: tuple[str, ...]
) -> None:
    status, _, error = run(
        *("decoder", "cut", str(written("qwen2")), "--text", str(tmp_path)),
        *("-o", str(tmp_path / "out"), *options),
    )
    assert status == 2
    assert "either fractions" in " ".join(error.split())


def test_an_unknown_runtime_is_named(
    run: Run, written: Written, tmp_path: Path
) -> None:
    status, _, error = run(
        *("decoder", "export", str(written("qwen2")), "-o", str(tmp_path / "out")),
        *("--runtime", "onnxruntime-gena"),
    )
    assert status == 2
    assert "Did you mean 'onnxruntime-genai'" in " ".join(error.split())
