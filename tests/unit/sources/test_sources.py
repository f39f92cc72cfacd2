"""Sources are found by scanning; a reference that none recognizes is refused with every form
there is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edgekit import sources
from edgekit.child import environment, python
from edgekit.errors import ModelError
from edgekit.types import ModelSpec
from edgekit.types.data_notes import WeightsUnnamed


def test_each_form_is_recognized_by_one_source(tmp_path: Path) -> None:
    for reference, name in (("model.py:build", "torch"), ("net.pt2", "pt2")):
        found = [
            n for n, s in sources.known().items() if s.recognizes(reference, tmp_path)
        ]
        assert found == [name]


@pytest.mark.parametrize("reference", ["model.py", "model.unknown", "", "a\0b", "."])
def test_the_error_has_the_form_of_every_source(tmp_path: Path, reference: str) -> None:
    with pytest.raises(ModelError) as error:
        sources.load(ModelSpec(source=reference), root=tmp_path)
    message = str(error.value)
    assert f"'{reference}'" in message
    assert all(source.form in message for source in sources.known().values())


def test_a_network_with_its_weights_is_found_before_a_function(tmp_path: Path) -> None:
    assert sources.find(tmp_path) is None
    (tmp_path / "net.py").write_text("def build(width=8): ...\n")
    assert sources.find(tmp_path) == ("net.py:build", sources.known()["torch"])
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "net.pt2").touch()
    assert sources.find(tmp_path) == ("exported/net.pt2", sources.known()["pt2"])


def test_only_a_network_without_weights_is_warned_of(tmp_path: Path) -> None:
    function = ModelSpec(source="model.py:build")
    found = sources.unweighted(function, tmp_path)
    assert found == WeightsUnnamed(source="model.py:build")
    named = ModelSpec(source="model.py:build", weights="w.safetensors")
    assert sources.unweighted(named, tmp_path) is None
    assert sources.unweighted(ModelSpec(source="net.pt2"), tmp_path) is None


def test_finding_sources_loads_no_library() -> None:
    code = (
        "import sys; from edgekit import sources; sources.forms();"
        "print([m for m in ('torch', 'onnx', 'onnxruntime') if m in sys.modules])"
    )
    done = subprocess.run(
        python("-c", code),
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
