from __future__ import annotations

import pytest

from edgekit.decoders.engines import protocol, registry
from edgekit.decoders.engines.openvino_genai import OpenVinoGenAI
from edgekit.decoders.engines.protocol import Generated, WeightFormat
from edgekit.errors import RuntimeMissing


def test_formats_have_names() -> None:
    formats = (
        WeightFormat(),
        WeightFormat(bits=16),
        WeightFormat(bits=8),
        WeightFormat(bits=4, group_size=64),
    )
    assert [each.label for each in formats] == ["fp32", "fp16", "int8", "int4-g64"]


def test_the_first_token_is_not_counted_into_the_rate() -> None:
    found = Generated(tokens=(1, 2, 3), seconds=(0.5, 0.6, 0.7))
    assert found.ttft_ms == pytest.approx(500)
    assert found.tokens_per_s == pytest.approx(10)


def test_four_bits_have_groups_that_the_engine_has() -> None:
    sizes = {
        each.name: protocol.four_bits(each).group_size
        for each in registry.ENGINES.values()
    }
    assert sizes == {"openvino-genai": 64, "onnxruntime-genai": 64, "llama.cpp": 32}


def test_a_missing_library_is_named() -> None:
    class Lacking(OpenVinoGenAI):
        libraries = {"there_is_none": "there-is-none"}  # noqa: RUF012
        extra = "other"

    with pytest.raises(RuntimeMissing, match=r"there-is-none.*edgekit\[other\]"):
        protocol.check_installed(Lacking())
