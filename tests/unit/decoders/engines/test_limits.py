from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.decoders import decoder
from edgekit.decoders.engines import limits
from tests.unit.decoders import folders

Written = Callable[[str], Path]


def test_a_window_as_wide_as_the_text_is_none(written: Written, tmp_path: Path) -> None:
    folders.write(tmp_path, "mistral", sliding_window=128)
    assert not limits.has_window(decoder.read(tmp_path))
    assert limits.has_window(decoder.read(written("mistral-window")))


@pytest.mark.parametrize(
    ("name", "kind"), [("llama-scaled", None), ("gemma3", "by block")]
)
def test_positions_of_one_kind_for_all_blocks_do_not_vary(
    written: Written, name: str, kind: str | None
) -> None:
    assert limits.varying_positions(decoder.read(written(name))) == kind


def test_positions_that_depend_on_the_length_vary(tmp_path: Path) -> None:
    rope = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}
    folders.write(tmp_path, rope_parameters=rope)
    assert limits.varying_positions(decoder.read(tmp_path)) == "dynamic"
