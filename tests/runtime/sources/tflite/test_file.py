"""A damaged TFLite file is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import ModelError
from edgekit.sources.tflite import load
from tests.runtime.sources.tflite.models import DATA


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    content = (DATA / "net-fp32.tflite").read_bytes()
    for size in (0, 7, 40, len(content) // 2, len(content) - 500):
        path = tmp_path / "cut.tflite"
        path.write_bytes(content[:size])
        with pytest.raises(ModelError) as error:
            load.load(path)
        assert "\n" not in str(error.value)
