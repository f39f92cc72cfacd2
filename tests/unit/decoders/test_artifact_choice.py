from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from edgekit.decoders import artifact_choice, decoder
from edgekit.decoders.engines import registry
from edgekit.decoders.engines.protocol import WeightFormat
from edgekit.errors import ArtifactError, UsageError
from tests.unit.decoders import folders

Written = Callable[[str], Path]


def test_the_largest_group_that_costs_next_to_nothing_is_chosen() -> None:
    assert artifact_choice.choose({32: 10.0, 64: 10.05, 128: 11.0}) == 64
    assert artifact_choice.choose({32: 10.0, 64: 10.2, 128: 10.01}) == 128
    assert artifact_choice.choose({32: 9.0}) == 32


class _Failing:
    """An engine that writes half of its files."""

    name = "failing"
    bits = (32,)
    libraries: Mapping[str, str] = MappingProxyType({})

    def export(self, opened: Any, out: Path, weights: WeightFormat) -> None:
        (out / "half").write_text("x")
        raise ArtifactError("no")


def test_nothing_is_left_of_a_failed_export(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "ENGINES", {"failing": _Failing()})
    opened = decoder.read(written("llama"))
    with pytest.raises(ArtifactError, match="no"):
        artifact_choice.export(opened, "failing", WeightFormat(), tmp_path / "out")
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match=r"of 8 bits\. It writes 32"):
        artifact_choice.export(
            opened, "failing", WeightFormat(bits=8), tmp_path / "out"
        )


def test_widths_that_no_group_divides_are_refused(tmp_path: Path) -> None:
    folders.write(tmp_path / "decoder", hidden_size=40)
    opened = decoder.read(tmp_path / "decoder")
    with pytest.raises(UsageError, match="divides the widths 40 and 64"):
        artifact_choice.export_int4(
            opened, "openvino-genai", folders.tokens(), tmp_path / "out", threads=1
        )
