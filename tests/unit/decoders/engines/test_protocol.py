from __future__ import annotations

import pytest

from edgekit.decoders.engines import protocol
from edgekit.decoders.engines.openvino_genai import OpenVinoGenAI
from edgekit.decoders.engines.protocol import Generated, WeightFormat
from edgekit.errors import RuntimeMissing


def test_formats_have_names() -> None:
    formats = (
        WeightFormat(),
        WeightFormat(bits=8),
        WeightFormat(bits=4, group_size=64),
    )
    assert [each.label for each in formats] == ["fp32", "int8", "int4-g64"]


def test_the_first_token_is_not_counted_into_the_rate() -> None:
    found = Generated(tokens=(1, 2, 3), seconds=(0.5, 0.6, 0.7))
    assert found.ttft_ms == pytest.approx(500)
    assert found.tokens_per_s == pytest.approx(10)


def test_a_missing_library_is_named() -> None:
    class Lacking(OpenVinoGenAI):
        libraries = {"there_is_none": "there-is-none"}  # noqa: RUF012

    with pytest.raises(RuntimeMissing, match=r"there-is-none.*edgekit\[genai\]"):
        protocol.check_installed(Lacking())
