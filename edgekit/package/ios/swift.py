"""The Swift sources of a package: the actor, generated from its contract, and its tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.package.class_values import Language, of_class, of_tests
from edgekit.package.identifiers import literal, variables
from edgekit.package.ios.converted import Converted
from edgekit.package.phone import Parts, sha256
from edgekit.package.tokenizer_rules import Piece

ASSETS = Path(__file__).parent / "assets"
_SPECIAL = {"\\": "\\\\", '"': '\\"'}
_KEYWORDS = """
actor as associatedtype async await break case catch class continue default defer deinit do else
enum extension fallthrough false fileprivate for func guard if import in init inout internal is let
nil nonisolated open operator private protocol public repeat rethrows return self static struct
subscript super switch throw throws true try typealias var where while
"""
_CLASSES = """
Accelerator Answer Any Array Bool Box Boxes Bundle CGImage CompiledModel CoreMLSession Data Double
Environment Error Float Found Inference Input Int Label Level Model ModelError Options Outputs Piece
Pixels Placement Postprocess Preprocess Rules Session Set Steps String Tensor TensorBuffer URL
WordPiece
"""
TAKEN = frozenset(_CLASSES.split())
"""Types that the sources use: one of the model's name would take their place."""
_NAMES = """
allCases boxes classes index inputs outputs prepared rawValue read scores session text texts
tokenizer
"""
_RESERVED = frozenset([*_KEYWORDS.split(), *_NAMES.split()])


@dataclass(frozen=True, kw_only=True)
class Overload:
    """A form of a sample: the parameters of `run`, and the arguments that pass them on."""

    parameters: str
    arguments: str
    prepared: Sequence[str]
    """An expression for each input; none where samples are texts."""
    picture: str | None = None
    """The parameter that is a picture, where it is the only one."""


def quoted(text: str) -> str:
    """A text as a literal of Swift."""
    return literal(text, _SPECIAL, lambda one: f"\\u{{{ord(one):x}}}")


def number(value: float) -> str:
    """A number as a literal of 32 bits."""
    return str(np.float32(value))


def actor(made: Parts, name: str, beside: Converted | None = None) -> str:
    """The text of the actor's file."""
    return SWIFT.rendered(
        "Model.swift.j2",
        **of_class(made.facts, SWIFT, made.rules),
        name=name,
        model=made.facts["model"],
        sha256=sha256(made.model),
        vocabulary_sha256=sha256(made.vocabulary),
        overloads=overloads(made),
        core_ml=None if beside is None else _core_ml(beside),
    )


def tests(made: Parts, name: str, beside: Converted | None = None) -> str:
    """The text of the tests' file."""
    text = made.rules is not None
    one = overloads(made)[0]
    labels = [part.partition(":")[0].split()[0] for part in one.parameters.split(", ")]
    given = [
        f"{'' if label == '_' else f'{label}: '}{_given(made, place)}"
        for place, label in enumerate(labels)
    ]
    return SWIFT.rendered(
        "Tests.swift.j2",
        **of_tests(made.facts, SWIFT, made.fixtures, text=text),
        name=name,
        sample=", ".join(given),
        core_ml=beside,
    )


def _core_ml(beside: Converted) -> dict[str, Any]:
    """The values of the actor's second way to load."""
    return {
        "artifact": beside.artifact,
        "sha256": [
            (path.partition("/")[2], sha256(content))
            for path, content in sorted(beside.files.items())
        ],
        "inputs": [_tensor({**one, "quantization": None}) for one in beside.inputs],
        "outputs": [_tensor({**one, "quantization": None}) for one in beside.outputs],
    }


def overloads(made: Parts) -> list[Overload]:
    """The forms of a sample: texts, or numbers and pictures for each input."""
    inputs = made.facts["inputs"]
    if made.rules is not None:
        second = ", second: String" if made.facts["text"]["pair"] else ""
        passed = ", second: second" if second else ""
        return [
            Overload(
                parameters=f"_ text: String{second}",
                arguments=f"text{passed}",
                prepared=[],
            )
        ]
    forms = ["[Float]", "Pixels", "CGImage"]
    pictures = any(one["image"] for one in inputs)
    return [_numbers(inputs, form) for form in (forms if pictures else forms[:1])]


def _numbers(inputs: Sequence[Mapping[str, Any]], form: str) -> Overload:
    names = SWIFT.variables(inputs)
    alone = len(names) == 1
    types = [_type(one, form) for one in inputs]
    step = {"[Int]": "tokens({})", "CGImage": "prepared({}.pixels())"}
    return Overload(
        parameters=", ".join(
            f"{'_ ' if alone else ''}{name}: {type}"
            for name, type in zip(names, types, strict=True)
        ),
        arguments=names[0] if alone else ", ".join(f"{n}: {n}" for n in names),
        picture=names[0] if types in (["Pixels"], ["CGImage"]) else None,
        prepared=[
            f"inputs[{place}].{step.get(type, 'prepared({})').format(name)}"
            for place, (name, type) in enumerate(zip(names, types, strict=True))
        ],
    )


def _type(one: Mapping[str, Any], form: str) -> str:
    """The type of an input's sample, which has the `form` where it is a picture."""
    if one["integers"]:
        return "[Int]"
    return form if one["image"] else "[Float]"


def _given(made: Parts, place: int) -> str:
    if made.rules is not None:
        return f"texts[sample][{place}]"
    numbers = f'numbers("numbers_{place}", sample)'
    integers = made.facts["inputs"][place]["integers"]
    return f"{numbers}.map {{ Int($0) }}" if integers else numbers


def _constants(labels: Sequence[str]) -> list[str]:
    return variables(labels, _RESERVED)


def _tensor(one: Mapping[str, Any]) -> str:
    shape = ", ".join(map(str, one["shape"]))
    values = (
        f"name: {quoted(one['name'])}, shape: [{shape}], type: {quoted(one['dtype'])}"
    )
    step = one["quantization"]
    if not step:
        return f"Tensor({values})"
    scale, zero = number(step["scale"]), step["zero_point"]
    return f"Tensor({values}, scale: {scale}, zeroPoint: {zero})"


def _pieces(pieces: Sequence[Piece]) -> str:
    calls = (
        f"Piece(token: {one.token}, sequence: {one.sequence}, type: {one.type})"
        for one in pieces
    )
    return f"[{', '.join(calls)}]"


def _mapping(numbers: Mapping[str, int]) -> str:
    pairs = ", ".join(f"{quoted(token)}: {n}" for token, n in numbers.items())
    return f"[{pairs or ':'}]"


SWIFT = Language(
    templates=ASSETS,
    reserved=_RESERVED,
    quoted=quoted,
    number=number,
    constants=_constants,
    tensor=_tensor,
    pieces=_pieces,
    mapping=_mapping,
    absent="nil",
    listing="[{}]",
    doubles="[{}]",
)
