"""The Swift that is generated from a contract, as a parser reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.package import contract, fixtures
from edgekit.package.fixtures import Fixtures
from edgekit.package.ios import swift
from edgekit.package.opened import open_bundle
from edgekit.package.phone import Parts
from edgekit.package.tokenizer_rules import WordPieceRules, read
from edgekit.runtimes import mobile
from tests.heads import case
from tests.packages import PREPROCESS, write_bundle
from tests.runtime.agent.serving.text_model import contract_in
from tests.runtime.package.ios.conftest import Faults
from tests.unit.package.web.conftest import artifact

CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "label": (
        {"labels": ["in", 'a "b\\('], "outputs": ((1, 2),)},
        ["case in2, aB", r'["in", "a \"b\\("]', "run(_ x0: CGImage)"],
    ),
    "places": (
        {"task": "segmentation", "outputs": ((1, 3, 8, 6),)},
        ["shape: [8, 6]", "Self.outputs[0].shape, 1)"],
    ),
    "boxes": (
        {"task": "detection", "outputs": ((1, 9, 6),), "labels": ["a", "b"]},
        ["public let boxes: [Box]", "label: Label.allCases[one.index]"],
    ),
    "decoded": (
        {
            "task": "detection",
            "outputs": ((1, 78, 8),),
            "labels": ["a", "b", "c"],
            "decoder": case("ssd", 1).how,
        },
        [
            "Level(5, 6, 16.0, [[8.0, 12.0], [16.0, 10.0]])",
            "public let right: Float",
            "let place = Preprocess.placement(\n      x0.width",
            "label: Label.allCases[one.index]",
            "background: 0",
        ],
    ),
    "several": (
        {"inputs": ((1, 1, 8, 8), (1, 4)), "outputs": ((1, 2), (1, 3))},
        ["run(x0: CGImage, x1: [Float])", "prepared(x0: x0, x1: x1)"],
    ),
    "integers": (
        {"inputs": ((1, 12),), "dtype": "int64"},
        ["public func run(_ x0: [Int])", "try inputs[0].tokens(x0)"],
    ),
    "argmax": (
        {"folded": {"postprocess": "argmax", "axis": 1}},
        ["let index = Int(read[0][0])"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_types_are_those_of_the_contract(
    tmp_path: Path, faults: Faults, name: str
) -> None:
    changes, lines = CASES[name]
    made = parts(tmp_path, **changes)
    text = swift.actor(made, "Net")
    for line in lines:
        assert line in text
    assert not faults(text), text
    assert not faults(swift.tests(made, "Net"))


@pytest.mark.parametrize("pair", [False, True])
def test_texts_go_in(tmp_path: Path, faults: Faults, pair: bool) -> None:
    text = contract_in(tmp_path, pair)
    made = parts(
        tmp_path,
        inputs=((1, text.length),) * 3,
        names=list(text.inputs),
        dtype="int64",
        text={name: getattr(text, name) for name in text.__dataclass_fields__},
        files={"tokenizer.json": (tmp_path / "tokenizer.json").read_text("utf-8")},
    )
    code = swift.actor(made, "Net")
    second = ", second: String" if pair else ""
    assert f"public func run(_ text: String{second}) throws" in code
    assert "tokens(found.mask)" in code
    assert not faults(code), code
    assert not faults(swift.tests(made, "Net"))


def parts(folder: Path, **changes: Any) -> Parts:
    """Parts of a file that is none, with samples of zeros."""
    kept = ("inputs", "outputs", "dtype", "names")
    how = {name: changes.pop(name) for name in kept if name in changes}
    names = how.pop("names", None)
    made = artifact(folder, **how)
    if names:
        inputs = zip(made.inputs, names, strict=True)
        made = replace(made, inputs=tuple(replace(o, name=n) for o, n in inputs))
    steps = [PREPROCESS] * len(made.inputs)
    bundle = open_bundle(
        write_bundle(folder / "b", [made], preprocess=steps, **changes)
    )
    chosen = contract.choose(bundle, None, mobile.known("ios"), "on iOS")
    facts, rules = contract.facts(bundle, chosen), read(bundle)
    zeros = [np.zeros((fixtures.SAMPLES, 4), np.float32)]
    return Parts(
        bundle=bundle,
        chosen=chosen,
        facts=facts,
        rules=rules if isinstance(rules, WordPieceRules) else None,
        fixtures=Fixtures(
            texts=fixtures._texts(facts),
            raw=zeros,
            prepared=zeros,
            outputs=zeros * len(made.outputs),
            answers=zeros[0],
            picture=fixtures._picture(facts["inputs"]),
        ),
        license="MIT",
        note="",
    )
