"""The Kotlin sources of a package: the class, generated from its contract, and its tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from edgekit.package.fixtures import SAMPLES, Fixtures
from edgekit.package.identifiers import constants, literal, variables
from edgekit.package.tokenizer_rules import Piece, WordPieceRules

ASSETS = Path(__file__).parent / "assets"
MOST_LABELS = 2000
"""More constants of an enumeration are too much for one method of a class file."""
_SPECIAL = {"\\": "\\\\", '"': '\\"', "$": "\\$"}
_KEYWORDS = """
as break class continue do else false for fun if in interface is null object package return super
this throw true try typealias typeof val var when while
"""
_CLASSES = """
Accelerator Answer AssetManager Bitmap Box CompiledModel Dispatchers Encoded File Fixtures Input
Label LiteRtException ModelException Outputs Piece Pixels Postprocess Preprocess Rules Session Steps
Tensor WordPiece Any Array Boolean Double Enum Error Exception Float Int LinkageError List Map
Nothing Number Object Pair Set String Throwable Unit
"""
HARD = frozenset(_KEYWORDS.split())
"""Keywords of Kotlin that name nothing else."""
TAKEN = frozenset(_CLASSES.split())
"""Classes that the sources use: one of the model's name would take their place."""
_RESERVED = {*HARD, "read", "outputs", "scores", "index", "classes", "boxes"}
_RAW: Mapping[str, Any] = {
    "scale": 1.0,
    "mean": (0.0,),
    "std": (1.0,),
    "color": None,
    "resize": "nearest",
}


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
    return rendered(
        "Model.kt.j2",
        **_of_place(contract, place),
        **_answer(contract),
        inputs=_inputs(contract),
        outputs=_outputs(contract),
        labels=_labels(contract),
        rules=None if rules is None else _rules(contract["text"], rules),
        overloads=overloads(contract, text=rules is not None),
        pictures=any(one["image"] for one in contract["inputs"]),
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
        **_of_place(contract, place),
        "folder": place.folder,
        "form": contract["form"],
        "outputs": _outputs(contract),
        "samples": SAMPLES,
        "tolerances": [number(one) for one in _tolerances(contract, fixtures)],
        "texts": fixtures.texts if text else [],
        "picture": fixtures.picture,
        "sample": sample,
        "prepared": f"{place.name}.prepared({'tokenizer, ' if text else ''}{sample})",
    }
    names = ("Fixtures.kt.j2", "UnitTest.kt.j2", "DeviceTest.kt.j2")
    return {name: rendered(name, **values) for name in names}


def _given(contract: Mapping[str, Any], place: int) -> str:
    numbers = f'fixtures.numbers("numbers_{place}", sample)'
    if contract["text"] is None:
        return numbers
    return f"{numbers}.let {{ row -> IntArray(row.size) {{ row[it].toInt() }} }}"


def _tolerances(contract: Mapping[str, Any], fixtures: Fixtures) -> list[float]:
    """Of fp32 a step of its rounding; of other files what a few steps of 8 bits can be."""
    if contract["precision"] == "fp32":
        return [1e-4 * max(1.0, float(np.abs(o).max())) for o in fixtures.outputs]
    return [0.05 * max(1e-6, float(np.ptp(o))) for o in fixtures.outputs]


def rendered(template: str, **values: Any) -> str:
    """A template of the assets with `values`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Kotlin, whose literals `quoted` makes
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["quoted"] = quoted
    return environment.get_template(template).render(**values)


def overloads(contract: Mapping[str, Any], *, text: bool) -> list[dict[str, Any]]:
    """The forms of a sample: texts, or numbers and pictures for each input."""
    inputs = contract["inputs"]
    if text:
        names = ["text", "second"] if contract["text"]["pair"] else ["text"]
        return [_overload(names, ["String"] * len(names), [])]
    names = variables([one["name"] for one in inputs], _RESERVED)
    if contract["text"] is not None:
        return [_numbers(names, ["IntArray"] * len(names))]
    forms = ["FloatArray", "Pixels", "Bitmap"]
    return [
        _numbers(names, [form if one["image"] else "FloatArray" for one in inputs])
        for form in (forms if any(one["image"] for one in inputs) else forms[:1])
    ]


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
    }


def _of_place(contract: Mapping[str, Any], place: Place) -> dict[str, Any]:
    return {
        "namespace": place.namespace,
        "name": place.name,
        "title": _comment(contract["name"]),
        "asset": quoted(f"{place.folder}/{contract['model']['file']}"),
        "sha256": place.sha256,
        "vocabulary": quoted(f"{place.folder}/vocab.txt"),
        "vocabulary_sha256": place.vocabulary_sha256,
    }


def _answer(contract: Mapping[str, Any]) -> dict[str, Any]:
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


def _labels(contract: Mapping[str, Any]) -> list[dict[str, str]]:
    labels = contract["labels"] or ()
    if len(labels) > MOST_LABELS or len(labels) != _classes(contract):
        return []
    pairs = zip(constants(labels), labels, strict=True)
    return [{"name": name, "text": quoted(text)} for name, text in pairs]


def _classes(contract: Mapping[str, Any]) -> int | None:
    """The number of classes that an answer chooses from; `None` where it chooses from none."""
    how = _answer(contract)
    if contract["form"] == "values":
        return None
    if how["argmaxed"]:
        return len(contract["labels"] or ())
    if contract["form"] == "boxes":
        return int(how["columns"] - how["skip"])
    return int(contract["outputs"][how["reads"][0]]["shape"][how["axis"]])


def _inputs(contract: Mapping[str, Any]) -> list[dict[str, Any]]:
    parts = (contract["text"] or {}).get("inputs", {})
    return [
        {
            **_steps(one),
            "tensor": _tensor(one),
            "network": one["network"] or [1],
            "channels_last": "true" if one["channelsLast"] else "false",
            "part": parts.get(one["name"]),
        }
        for one in contract["inputs"]
    ]


def _steps(tensor: Mapping[str, Any]) -> dict[str, Any]:
    how: Mapping[str, Any] = tensor["preprocessing"] or _RAW
    gray = tensor["network"][:1] == [1]
    return {
        "scale": number(how["scale"]),
        "mean": [number(value) for value in how["mean"]],
        "std": [number(value) for value in how["std"]],
        "color": how["color"] or ("gray" if gray else "rgb"),
        "resize": how["resize"],
    }


def _outputs(contract: Mapping[str, Any]) -> list[dict[str, Any]]:
    tensors = contract["outputs"]
    names = variables([one["name"] for one in tensors], _RESERVED)
    return [
        {
            "name": name,
            "title": _comment(one["name"]),
            "shape": one["shape"],
            "tensor": _tensor(one),
        }
        for name, one in zip(names, tensors, strict=True)
    ]


def _tensor(one: Mapping[str, Any]) -> str:
    shape = f"intArrayOf({', '.join(map(str, one['shape']))})"
    values = [quoted(one["name"]), shape, quoted(one["dtype"])]
    if one["quantization"]:
        step = one["quantization"]
        values += [number(step["scale"]), str(step["zero_point"])]
    return f"Tensor({', '.join(values)})"


def _rules(text: Mapping[str, Any], rules: WordPieceRules) -> Sequence[tuple[str, Any]]:
    added = (f"{quoted(token)} to {n}" for token, n in rules.added.items())
    flags = {
        "clean": rules.clean,
        "chinese": rules.chinese,
        "stripAccents": rules.strip_accents,
        "lowercase": rules.lowercase,
        "padLeft": text["padding_side"] == "left",
        "cutLeft": text["truncation_side"] == "left",
    }
    return [
        ("length", text["length"]),
        ("single", _pieces(rules.single)),
        ("pair", _pieces(rules.pair)),
        ("added", f"mapOf({', '.join(added)})"),
        ("unknown", quoted(rules.unknown)),
        ("prefix", quoted(rules.prefix)),
        ("longestWord", rules.longest_word),
        ("padId", text["pad_id"]),
        ("padType", text["pad_type_id"]),
        *((name, "true" if on else "false") for name, on in flags.items()),
    ]


def _pieces(pieces: Sequence[Piece]) -> str:
    made = (f"Piece({one.token}, {one.sequence}, {one.type})" for one in pieces)
    return f"listOf({', '.join(made)})"


def _comment(text: str) -> str:
    """A text as a part of a comment: it neither ends one nor begins one."""
    words = "".join(one if one.isprintable() else " " for one in text).split()
    return " ".join(words).replace("*/", "* /").replace("/*", "/ *")
