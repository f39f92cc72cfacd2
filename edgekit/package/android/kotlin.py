"""The Kotlin sources of a package: the class, generated from its contract, and its tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.package.class_values import Language, of_class, of_tests
from edgekit.package.fixtures import Fixtures
from edgekit.package.identifiers import constants, literal
from edgekit.package.tokenizer_rules import Piece, WordPieceRules

ASSETS = Path(__file__).parent / "assets"
_SPECIAL = {"\\": "\\\\", '"': '\\"', "$": "\\$"}
_KEYWORDS = """
as break class continue do else false for fun if in interface is null object package return super
this throw true try typealias typeof val var when while
"""
_CLASSES = """
Accelerator Answer AssetManager Bitmap Box Boxes CompiledModel Dispatchers Encoded File Fixtures
Found Input Label Level LiteRtException ModelException Outputs Piece Pixels Placement Postprocess
Preprocess Rules Session Steps Tensor WordPiece Any Array Boolean Double Enum Error Exception Float
Int LinkageError List Map Nothing Number Object Pair Set String Throwable Unit
"""
HARD = frozenset(_KEYWORDS.split())
"""Keywords of Kotlin that name nothing else."""
TAKEN = frozenset(_CLASSES.split())
"""Classes that the sources use: one of the model's name would take their place."""
_OF_CODE = {"read", "outputs", "scores", "index", "classes", "boxes"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the class and the files that it reads are."""

    namespace: str
    name: str
    """Of the class."""
    folder: str
    """Of the model and the vocabulary, in the assets."""
    sha256: str
    vocabulary_sha256: str = ""


def quoted(text: str) -> str:
    """A text as a literal of Kotlin."""
    return literal(text, _SPECIAL)


def number(value: float) -> str:
    """A number as a literal of 32 bits."""
    return f"{np.float32(value)!s}f"


def model_class(
    contract: Mapping[str, Any], place: Place, rules: WordPieceRules | None
) -> str:
    """The text of the class's file."""
    return KOTLIN.rendered(
        "Model.kt.j2",
        **of_class(contract, KOTLIN, rules),
        **_of_place(contract, place),
        overloads=overloads(contract, text=rules is not None),
    )


def tests(
    contract: Mapping[str, Any], place: Place, fixtures: Fixtures, *, text: bool
) -> dict[str, str]:
    """The texts of the tests' files by template; `text` where the class takes texts."""
    pair = "Fixtures.TEXTS[sample]"
    parts = len(fixtures.texts[0]) if text else len(contract["inputs"])
    given = [f"{pair}[{i}]" if text else _given(contract, i) for i in range(parts)]
    sample = ", ".join(given)
    values = {
        **of_tests(contract, KOTLIN, fixtures, text=text),
        **_of_place(contract, place),
        "sample": sample,
        "prepared": f"{place.name}.prepared({'tokenizer, ' if text else ''}{sample})",
    }
    names = ("Fixtures.kt.j2", "UnitTest.kt.j2", "DeviceTest.kt.j2")
    return {name: KOTLIN.rendered(name, **values) for name in names}


def _given(contract: Mapping[str, Any], place: int) -> str:
    numbers = f'fixtures.numbers("numbers_{place}", sample)'
    if not contract["inputs"][place]["integers"]:
        return numbers
    return f"{numbers}.let {{ row -> IntArray(row.size) {{ row[it].toInt() }} }}"


def overloads(contract: Mapping[str, Any], *, text: bool) -> list[dict[str, Any]]:
    """The forms of a sample: texts, or numbers and pictures for each input."""
    inputs = contract["inputs"]
    if text:
        names = ["text", "second"] if contract["text"]["pair"] else ["text"]
        return [_overload(names, ["String"] * len(names), [])]
    names = KOTLIN.variables(inputs)
    forms = ["FloatArray", "Pixels", "Bitmap"]
    return [
        _numbers(names, [_type(one, form) for one in inputs])
        for form in (forms if any(one["image"] for one in inputs) else forms[:1])
    ]


def _type(one: Mapping[str, Any], form: str) -> str:
    """The type of an input's sample, which has the `form` where it is a picture."""
    if one["integers"]:
        return "IntArray"
    return form if one["image"] else "FloatArray"


def _numbers(names: Sequence[str], types: Sequence[str]) -> dict[str, Any]:
    step = {"IntArray": "tokens({})", "Bitmap": "prepared({}.pixels())"}
    prepared = [
        f"INPUTS[{place}].{step.get(type, 'prepared({})').format(name)}"
        for place, (name, type) in enumerate(zip(names, types, strict=True))
    ]
    return _overload(names, types, prepared)


def _overload(
    names: Sequence[str], types: Sequence[str], prepared: Sequence[str]
) -> dict[str, Any]:
    pairs = zip(names, types, strict=True)
    return {
        "parameters": ", ".join(f"{name}: {type}" for name, type in pairs),
        "arguments": ", ".join(names),
        "types": list(types),
        "prepared": list(prepared),
        "picture": names[0] if list(types) in (["Pixels"], ["Bitmap"]) else None,
    }


def _of_place(contract: Mapping[str, Any], place: Place) -> dict[str, Any]:
    return {
        "namespace": place.namespace,
        "name": place.name,
        "folder": place.folder,
        "asset": quoted(f"{place.folder}/{contract['model']['file']}"),
        "sha256": place.sha256,
        "vocabulary": quoted(f"{place.folder}/vocab.txt"),
        "vocabulary_sha256": place.vocabulary_sha256,
    }


def _tensor(one: Mapping[str, Any]) -> str:
    shape = f"intArrayOf({', '.join(map(str, one['shape']))})"
    values = [quoted(one["name"]), shape, quoted(one["dtype"])]
    if one["quantization"]:
        step = one["quantization"]
        values += [number(step["scale"]), str(step["zero_point"])]
    return f"Tensor({', '.join(values)})"


def _pieces(pieces: Sequence[Piece]) -> str:
    made = (f"Piece({one.token}, {one.sequence}, {one.type})" for one in pieces)
    return f"listOf({', '.join(made)})"


def _mapping(numbers: Mapping[str, int]) -> str:
    pairs = (f"{quoted(token)} to {n}" for token, n in numbers.items())
    return f"mapOf({', '.join(pairs)})"


KOTLIN = Language(
    templates=ASSETS,
    reserved=HARD | _OF_CODE,
    quoted=quoted,
    number=number,
    constants=constants,
    tensor=_tensor,
    pieces=_pieces,
    mapping=_mapping,
    absent="null",
    listing="listOf({})",
    doubles="doubleArrayOf({})",
)
