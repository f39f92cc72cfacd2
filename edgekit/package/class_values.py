"""The values of a phone's class, its templates filled in: a contract in a programming language."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from edgekit.package.fixtures import SAMPLES, Fixtures
from edgekit.package.identifiers import variables
from edgekit.package.tokenizer_rules import Piece, WordPieceRules

MOST_LABELS = 2000
"""More constants of an enumeration are too much for one method of a class file."""
_RAW: Mapping[str, Any] = {
    "scale": 1.0,
    "mean": (0.0,),
    "std": (1.0,),
    "color": None,
    "resize": "nearest",
    "fit": "stretch",
}


@dataclass(frozen=True, kw_only=True)
class Language:
    """A programming language: its literals, and the calls that make the sources' own objects."""

    templates: Path
    reserved: frozenset[str]
    """Names that no variable may have."""
    quoted: Callable[[str], str]
    """A text as a literal."""
    number: Callable[[float], str]
    """A number as a literal of 32 bits."""
    constants: Callable[[Sequence[str]], Sequence[str]]
    """Names of an enumeration's constants."""
    tensor: Callable[[Mapping[str, Any]], str]
    """The call for a tensor of the contract."""
    pieces: Callable[[Sequence[Piece]], str]
    mapping: Callable[[Mapping[str, int]], str]
    absent: str
    """The value of what is not there."""
    listing: str
    """A list of `{}`."""
    doubles: str
    """Numbers of 64 bits, `{}`."""

    def rendered(self, template: str, **values: Any) -> str:
        """A template with `values`, whose literals the filter `quoted` makes."""
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(self.templates),
            undefined=jinja2.StrictUndefined,
            autoescape=False,  # code, not markup
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        environment.filters["quoted"] = self.quoted
        return environment.get_template(template).render(**values)

    def variables(self, tensors: Sequence[Mapping[str, Any]]) -> list[str]:
        """Names of tensors as those of variables."""
        return variables([one["name"] for one in tensors], self.reserved)


def of_class(
    contract: Mapping[str, Any], language: Language, rules: WordPieceRules | None
) -> dict[str, Any]:
    """The values of the class's template; `rules` where samples are texts."""
    return {
        **answer(contract),
        "title": _comment(contract["name"]),
        "inputs": _inputs(contract, language),
        "outputs": outputs(contract, language),
        "labels": _labels(contract, language),
        "decoder": _decoder(contract["decoder"], language),
        "rules": None if rules is None else _rules(contract["text"], rules, language),
        "pictures": any(one["image"] for one in contract["inputs"]),
    }


def of_tests(
    contract: Mapping[str, Any], language: Language, fixtures: Fixtures, *, text: bool
) -> dict[str, Any]:
    """The values of the tests' templates; `text` where the class takes texts."""
    return {
        "form": contract["form"],
        "decoder": contract["decoder"],
        "outputs": outputs(contract, language),
        "samples": SAMPLES,
        "tolerances": [language.number(one) for one in _tolerances(contract, fixtures)],
        "texts": fixtures.texts if text else [],
        "picture": fixtures.picture,
    }


def answer(contract: Mapping[str, Any]) -> dict[str, Any]:
    """The form of an answer, and which outputs it is read from."""
    names = [one["name"] for one in contract["outputs"]]
    reads = [names.index(name) for name in contract["reads"] or names[:1]]
    shapes = [contract["outputs"][place]["shape"] for place in reads]
    argmaxed = contract["postprocess"] == "argmax"
    axis = contract["axis"] or 0
    axis = axis if axis >= 0 else axis + len(shapes[0])
    kept = [size for i, size in enumerate(shapes[0]) if i and (argmaxed or i != axis)]
    return {
        "form": contract["form"],
        "reads": reads,
        "axis": axis,
        "answer_shape": kept,
        "argmaxed": argmaxed,
        "scored": not argmaxed,
        "softmaxed": contract["postprocess"] == "softmax",
        "box_width": shapes[0][-1],
        "columns": shapes[-1][-1],
        "skip": 0 if len(reads) > 1 else 4,
    }


def outputs(contract: Mapping[str, Any], language: Language) -> list[dict[str, Any]]:
    """The outputs, each with the name of its variable."""
    tensors = contract["outputs"]
    return [
        {
            "name": name,
            "title": _comment(one["name"]),
            "shape": one["shape"],
            "tensor": language.tensor(one),
        }
        for name, one in zip(language.variables(tensors), tensors, strict=True)
    ]


def _labels(contract: Mapping[str, Any], language: Language) -> list[dict[str, str]]:
    """The constants of the enumeration; none where labels are not those of the classes."""
    labels = contract["labels"] or ()
    if len(labels) > MOST_LABELS or len(labels) != _classes(contract):
        return []
    pairs = zip(language.constants(labels), labels, strict=True)
    return [{"name": name, "text": language.quoted(text)} for name, text in pairs]


def _classes(contract: Mapping[str, Any]) -> int | None:
    """The number of classes that an answer chooses from; `None` where it chooses from none."""
    how, decoder = answer(contract), contract["decoder"]
    if contract["form"] == "values":
        return None
    if decoder is not None:
        background = decoder["background"] is not None
        return decoder["classes"] and int(decoder["classes"]) - background
    if how["argmaxed"]:
        return len(contract["labels"] or ())
    if contract["form"] == "boxes":
        return int(how["columns"] - how["skip"])
    return int(contract["outputs"][how["reads"][0]]["shape"][how["axis"]])


def _inputs(contract: Mapping[str, Any], language: Language) -> list[dict[str, Any]]:
    parts = (contract["text"] or {}).get("inputs", {})
    return [
        {
            **_steps(one, language),
            "tensor": language.tensor(one),
            "network": one["network"] or [1],
            "channels_last": "true" if one["channelsLast"] else "false",
            "part": parts.get(one["name"]),
        }
        for one in contract["inputs"]
    ]


def _steps(tensor: Mapping[str, Any], language: Language) -> dict[str, Any]:
    how: Mapping[str, Any] = tensor["preprocessing"] or _RAW
    gray = tensor["network"][:1] == [1]
    return {
        "scale": language.number(how["scale"]),
        "mean": [language.number(value) for value in how["mean"]],
        "std": [language.number(value) for value in how["std"]],
        "color": how["color"] or ("gray" if gray else "rgb"),
        "resize": how["resize"],
        "fit": how["fit"],
    }


def _decoder(
    steps: Mapping[str, Any] | None, language: Language
) -> Sequence[tuple[str, str]]:
    """Arguments of the sources' own `Boxes`, in its order; none without a decoder."""
    if steps is None:
        return []
    levels = [_level(one, language) for one in steps["levels"]]
    known = {
        "form": language.quoted(steps["box"]),
        "scores": language.quoted(steps["scores"]),
        "objectness": language.quoted(steps["objectness"] or ""),
        "columns": language.listing.format(", ".join(map(str, steps["columns"]))),
        "channelsFirst": str(steps["channelsFirst"]).lower(),
        "numbers": str(steps["numbers"]),
        "bins": str(steps["bins"]),
        "classes": _optional(steps["classes"], language),
        "background": _optional(steps["background"], language),
        "unit": _doubles(steps["unit"], language),
        "variances": _doubles(steps["variances"], language),
        "levels": language.listing.format(", ".join(levels)),
        "offset": str(float(steps["offset"])),
        "anchorsFirst": str(steps["anchorsFirst"]).lower(),
        "confidence": str(float(steps["confidence"])),
        "overlap": str(float(steps["overlap"])),
        "most": str(steps["most"]),
        "candidates": str(steps["candidates"]),
    }
    return list(known.items())


def _level(level: Mapping[str, Any], language: Language) -> str:
    anchors = ", ".join(_doubles(one, language) for one in level["anchors"])
    values = (
        level["rows"],
        level["columns"],
        float(level["stride"]),
        language.listing.format(anchors),
    )
    return f"Level({', '.join(map(str, values))})"


def _doubles(values: Sequence[float], language: Language) -> str:
    return language.doubles.format(", ".join(str(float(one)) for one in values))


def _optional(number: int | None, language: Language) -> str:
    return language.absent if number is None else str(number)


def _rules(
    text: Mapping[str, Any], rules: WordPieceRules, language: Language
) -> Sequence[tuple[str, Any]]:
    """Arguments of the sources' own `Rules`, in its order."""
    flags = {
        "clean": rules.clean,
        "chinese": rules.chinese,
        "stripAccents": rules.strip_accents,
        "lowercase": rules.lowercase,
    }
    sides = {
        "padLeft": text["padding_side"] == "left",
        "cutLeft": text["truncation_side"] == "left",
    }
    return [
        ("length", text["length"]),
        ("single", language.pieces(rules.single)),
        ("pair", language.pieces(rules.pair)),
        ("added", language.mapping(rules.added)),
        ("unknown", language.quoted(rules.unknown)),
        ("prefix", language.quoted(rules.prefix)),
        ("longestWord", rules.longest_word),
        *((name, "true" if on else "false") for name, on in flags.items()),
        ("padId", text["pad_id"]),
        ("padType", text["pad_type_id"]),
        *((name, "true" if on else "false") for name, on in sides.items()),
    ]


def _tolerances(contract: Mapping[str, Any], fixtures: Fixtures) -> list[float]:
    """Of fp32 a step of its rounding; of other files what a few steps of 8 bits can be."""
    if contract["precision"] == "fp32":
        return [1e-4 * max(1.0, float(np.abs(o).max())) for o in fixtures.outputs]
    return [0.05 * max(1e-6, float(np.ptp(o))) for o in fixtures.outputs]


def _comment(text: str) -> str:
    """A text as a part of a comment: it neither ends one nor begins one."""
    words = "".join(one if one.isprintable() else " " for one in text).split()
    return " ".join(words).replace("*/", "* /").replace("/*", "/ *")
