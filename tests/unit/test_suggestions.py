"""Did you mean: names and paths."""

from __future__ import annotations

from pathlib import Path

from edgekit.suggestions import suggest, suggest_path


def test_a_near_name_is_suggested_and_a_far_one_not() -> None:
    assert suggest("Quik", ("quick", "report")) == " Did you mean 'quick'?"
    assert suggest("zzz", ("quick", "report")) == ""


def test_a_path_is_corrected_where_its_rest_exists(tmp_path: Path) -> None:
    (tmp_path / "data/train").mkdir(parents=True)
    (tmp_path / "model.py").touch()
    assert suggest_path(tmp_path / "data/train") == ""
    assert suggest_path(tmp_path / "data/trian") == " Did you mean 'train'?"
    assert suggest_path(tmp_path / "dta/train") == " Did you mean 'data/train'?"
    assert "folder" in suggest_path(tmp_path / "dta/other")
    assert suggest_path(tmp_path / "modle.py") == " Did you mean 'model.py'?"
    assert suggest_path(tmp_path / "modle.py", suffixes=(".onnx",)) == ""
    assert suggest_path(tmp_path / ("x" * 300)) == ""
