"""Texts with their tokens, for a page to check its tokenizer by."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from edgekit.package.opened import open_bundle
from edgekit.package.web import token_samples
from tests.packages import PREPROCESS, write_bundle
from tests.runtime.agent.serving.text_model import contract_in
from tests.texts import LENGTH, NAMES, numbers
from tests.unit.package.web.conftest import artifact


@pytest.mark.parametrize("pair", [False, True])
def test_each_text_has_its_tokens(tmp_path: Path, pair: bool) -> None:
    text = contract_in(tmp_path, pair)
    shapes = ((1, LENGTH),) * 3
    bundle = write_bundle(
        tmp_path / "b",
        [artifact(tmp_path, "onnxruntime-fp32", inputs=shapes, dtype="int64")],
        preprocess=[PREPROCESS] * 3,
        files={"tokenizer.json": (tmp_path / "tokenizer.json").read_text("utf-8")},
        text=asdict(text),
    )
    found = token_samples.of(open_bundle(bundle))
    assert {len(one["texts"]) for one in found} == {1 + pair}
    assert all([*one["rows"]] == [*NAMES] for one in found)
    if not pair:
        empty = next(one for one in found if one["texts"] == [""])
        assert empty["rows"][NAMES[0]] == numbers()
