"""Texts become the same token numbers in a page as in training."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.agent.serving.encode import TextEncoder
from edgekit.package.web import packaging
from tests import texts
from tests.runtime.package.web.conftest import NPM, Script, modules
from tests.runtime.package.web.test_preprocess import js

GIVEN = (
    "good",
    "",
    "The film was VERY very bad, not good!",
    "filmss 日 👍 xyz  é",
    "a b c d e f g h i j k l m n o p",
    "[MASK] good [SEP]",
    "\t not\n",
)
PAIRS = [(a, b) for a in GIVEN for b in (GIVEN[0], GIVEN[1], GIVEN[2], GIVEN[4])]
pytestmark = pytest.mark.skipif(NPM is None, reason="needs npm: apt-get install npm")


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("pair", [False, True])
def test_texts_and_pairs_are_cut_and_padded_alike(
    tmp_path: Path, script: Script, pair: bool, side: str
) -> None:
    how = texts.request(tmp_path / "source").text
    assert how is not None
    contract = replace(
        how.contract,
        pair=pair,
        padding_side=side,  # type: ignore[arg-type]
        truncation_side=side,  # type: ignore[arg-type]
    )
    described = {
        name: getattr(contract, name) for name in contract.__dataclass_fields__
    }
    encoder = TextEncoder(how.content, described)
    place = tmp_path / "page"
    place.mkdir()
    (place / "node_modules").symlink_to(modules(text=True)["node_modules"])
    shutil.copyfile(packaging._ASSETS / "text.js", place / "text.mjs")
    given = [list(each) for each in PAIRS] if pair else [[each] for each in GIVEN]
    found = script(
        place,
        f"""import {{ Encoder }} from "./text.mjs";
const encoder = new Encoder({how.content}, {js(described)});
const rows = {js(given)}.map((texts) => encoder.encode(...texts));
console.log(JSON.stringify(rows, (_, v) => (ArrayBuffer.isView(v) ? [...v] : v)));""",
    )
    expected = encoder.encode([tuple(e) if pair else e[0] for e in given])  # type: ignore[misc]
    for number, row in enumerate(found):
        for name, values in expected.items():
            assert row[name] == values[number].tolist(), (given[number], name)
