"""Files that are not artifacts."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.bench.artifact import artifact_at, opened
from edgekit.errors import ArtifactError


@pytest.mark.parametrize("suffix", [".tflite", ".onnx", ".xml"])
@pytest.mark.parametrize(
    "content", [b"", b"some text\n", bytes(range(256)) * 9, b"\x1c\0\0\0TFL3" * 40]
)
def test_rubbish_is_not_an_artifact(
    tmp_path: Path, suffix: str, content: bytes
) -> None:
    file = tmp_path / f"m{suffix}"
    file.write_bytes(content)
    (tmp_path / "m.bin").write_bytes(b"")
    with pytest.raises(ArtifactError) as refused:
        opened(artifact_at(file))
    assert file.name in str(refused.value)
    assert "\n" not in str(refused.value)
