"""Parts of packages for phones, made of a tiny file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import UsageError
from edgekit.package import PackageRequest
from edgekit.package.fixtures import SAMPLES
from edgekit.package.phone import parts
from edgekit.progress import Silent
from edgekit.runtimes.mobile import System
from edgekit.store import Store
from tests.packages import write_bundle
from tests.runtime.agent.serving.text_model import contract_in
from tests.runtime.package.relu import tiny_bundle
from tests.unit.package.web.conftest import artifact


def request(bundle: Path) -> PackageRequest:
    options = {"out": None, "artifact": None, "license": None}
    store = Store(bundle / "store")
    return PackageRequest(
        bundle=bundle, options=options, store=store, progress=Silent()
    )


@pytest.mark.parametrize("system", ["android", "ios"])
def test_samples_are_numbers_of_32_bits(tmp_path: Path, system: System) -> None:
    made = parts(request(tiny_bundle(tmp_path)), system, "there")
    numbers = np.frombuffer(made.samples["numbers_0.f32"], "<f4")
    outputs = np.frombuffer(made.samples["output_0.f32"], "<f4")
    assert numbers.shape == outputs.shape == (SAMPLES * 4,)
    np.testing.assert_array_equal(outputs, np.maximum(numbers, 0))
    assert made.vocabulary == b"" and made.note == ""


@pytest.mark.parametrize(
    ("kind", "note"),
    [
        ("BertPreTokenizer", ""),
        ("Whitespace", "the class takes tokens, not texts: its tokenizer's pre-token"),
    ],
)
def test_a_tokenizer_of_another_kind_is_noted(
    tmp_path: Path, kind: str, note: str
) -> None:
    contract = contract_in(tmp_path)
    document = json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))
    document["pre_tokenizer"] = {"type": kind}
    content = json.dumps(document)
    text = {
        **asdict(contract),
        "length": 4,
        "inputs": {"x": "ids"},
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
    }
    files = {"tokenizer.json": content}
    made = parts(request(tiny_bundle(tmp_path, files=files, text=text)), "ios", "there")
    assert (made.rules is None) is bool(note) and made.note.startswith(note)
    assert (made.vocabulary == b"") is bool(note)
    np.testing.assert_array_equal(made.fixtures.outputs[0][:, 0], 2)  # [CLS]


def test_a_file_for_no_phone_is_refused(tmp_path: Path) -> None:
    made = [artifact(tmp_path, "openvino-fp32")]
    with pytest.raises(UsageError, match="openvino does not run on iOS"):
        parts(request(write_bundle(tmp_path / "b", made)), "ios", "on iOS")
