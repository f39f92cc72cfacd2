"""The JSON of a `.pt2`, checked before PyTorch reads it.

PyTorch evaluates the expressions of sizes as Python, looks operators up by any path below
`torch`, writes names into the source of `forward` and imports the modules of enumerations.
So names must be names, operators PyTorch's own, expressions arithmetic, and trees plain.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(r"[\w.\-/: +]*")
"""A parameter's dotted name: nothing that ends a string in Python."""
_OPERATOR = re.compile(r"torch\.ops\.(\w+)\.(\w+)(\.\w+)?")
_NAMESPACES = frozenset(("aten", "prims", "quantized_decomposed", "torchvision"))
_FILES = frozenset(("from_file", "save", "load", "_print", "warn"))
"""Operators that read, write or print."""
_CONTROL = frozenset(
    ("cond", "map_impl", "scan", "while_loop", "associative_scan", "invoke_subgraph",
     "wrap_with_set_grad_enabled", "wrap_with_autocast", "flex_attention")
)  # fmt: skip
_PYTHON = re.compile(
    r"_operator\.(add|sub|mul|floordiv|truediv|mod|pow|neg|pos|eq|ne|lt|le|gt|ge|and_|or_|xor"
    r"|not_|inv|invert|lshift|rshift|getitem)|math\.(floor|ceil|trunc|sqrt|log2|prod|pow)"
    r"|torch\.(sym_\w+|_sym_\w+)"
)
_REFUSED = frozenset(("as_custom_obj", "as_operator", "as_opaque", "custom_obj"))
_KEPT_METADATA = ("nn_module_stack", "torch_fn", "custom")
_TREES = (None, "builtins.tuple", "builtins.list", "builtins.dict",
          "collections.OrderedDict")  # fmt: skip
_SYMBOL = re.compile(r"(u|s|z|f|zuf|d)\d{1,6}|[A-Za-z]\w{0,30}_\w+|[st]\d+")
_FUNCTIONS = frozenset(
    ("FloorDiv", "ModularIndexing", "Where", "PythonMod", "Mod", "CleanDiv", "CeilToInt",
     "FloorToInt", "CeilDiv", "LShift", "RShift", "PowByNatural", "FloatPow", "FloatTrueDiv",
     "IntTrueDiv", "IsNonOverlappingAndDenseIndicator", "TruncToFloat", "TruncToInt",
     "RoundToInt", "RoundDecimal", "ToFloat", "Identity", "Max", "Min", "floor", "ceiling",
     "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "And", "Or", "Not", "Abs", "Add", "Mul", "Pow",
     "Integer", "Rational", "Equality", "Unequality", "GreaterThan", "LessThan",
     "StrictGreaterThan", "StrictLessThan")
)  # fmt: skip
_NAMED = frozenset(("True", "False", "true", "false", "oo", "int_oo"))
_ASSUMED = frozenset(("positive", "integer", "nonnegative", "real", "precision"))
"""Properties that a symbol may have."""
_PLAIN = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.operator, ast.unaryop,
          ast.cmpop, ast.boolop, ast.expr_context)  # fmt: skip
_DECIMAL = re.compile(r"-?\d{1,30}(\.\d{0,40})?(e[+-]?\d{1,3})?")
_POWERS = frozenset(("Pow", "PowByNatural", "FloatPow", "LShift", "RShift"))
_POWERS_AT_MOST = 8
_LONGEST = 4000
_HIGHEST_POWER = 64
_LARGEST = 1 << 40
"""Elements of one tensor."""


class Suspicious(ValueError):
    """Anything but raw data: reading it could run code."""


def checked(model: Any) -> dict[str, Any]:
    """The program's JSON with what nothing needs left out: guards, stacks, notes of the tracer.

    Raises `Suspicious` for what could run code, and whatever a malformed document leads to.
    """
    if not isinstance(model, dict):
        raise ValueError("the program is not a JSON object")
    document = {**model, "guards_code": []}
    for symbol in document.get("range_constraints", {}):
        _expression(symbol)
    document["graph_module"] = _walk(document["graph_module"], "graph_module")
    return document


def path_name(text: Any) -> str:
    """A parameter's name; raises `Suspicious` for one that could leave a string of Python."""
    if not isinstance(text, str) or not _PATH.fullmatch(text):
        raise Suspicious(f"the name {str(text)[:60]!r}")
    return text


# --- the document -----------------------------------------------------------------------------


def _walk(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _entry(name, inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_walk(inner, key) for inner in value]
    return value


def _entry(name: str, value: Any) -> Any:
    if name in _REFUSED and value is not None:
        raise Suspicious(f"an object ({name})")
    path_name(name)
    if name == "metadata":
        return _metadata(value)
    if name == "sizes":
        _size(value)
    check = _CHECKS.get(name) or (path_name if name.endswith("_name") else None)
    if check is not None and isinstance(value, str):
        check(value)
        return value
    if name == "forward_arg_names":
        for argument in value or ():
            _identifier(argument)
    return _walk(value, name)


def _metadata(value: Any) -> dict[str, Any]:
    """The parts of a node's notes that the loader needs; the rest has paths of the author's
    files."""
    if not isinstance(value, dict):
        raise ValueError("metadata that is not an object")
    return {key: str(value[key]) for key in _KEPT_METADATA if key in value}


def _size(sizes: Any) -> None:
    elements = 1
    for size in sizes:
        given = size.get("as_int") if isinstance(size, dict) else size
        if isinstance(given, int):
            if given < 0:
                raise ValueError(f"a tensor's size of {given}")
            elements *= max(given, 1)
    if elements > _LARGEST:
        raise ValueError(f"a tensor of {elements:,} elements")


def _identifier(text: Any) -> None:
    if text and (not isinstance(text, str) or not _NAME.fullmatch(text)):
        raise Suspicious(f"the name {str(text)[:60]!r}")


def _target(text: str) -> None:
    if _PYTHON.fullmatch(text):
        return
    found = _OPERATOR.fullmatch(text)
    plain = found and found[1] in _NAMESPACES and found[2] not in _FILES
    control = found and found[1] == "higher_order" and found[2] in _CONTROL
    if not (plain or control):
        raise Suspicious(f"the operator {text[:80]!r}")


def _tree(text: str) -> None:
    protocol = json.loads(text)
    if not isinstance(protocol, list) or len(protocol) != 2 or protocol[0] != 1:
        raise ValueError("a tree of an unknown protocol")
    _branch(protocol[1])


def _branch(tree: Mapping[str, Any]) -> None:
    if tree["type"] not in _TREES:
        raise Suspicious(f"a tree with {str(tree['type'])[:60]!r}")
    context = json.loads(tree["context"]) if tree["context"] is not None else None
    if isinstance(context, list):
        for key in context:
            if not isinstance(key, int):
                _identifier(key)
    elif context is not None:
        raise Suspicious("a tree with more than names")
    for child in tree["children_spec"]:
        _branch(child)


# --- expressions of sizes ---------------------------------------------------------------------


def _expression(text: str) -> None:
    """Arithmetic over symbols; no attribute, no free string, no other call, no tower of powers."""
    suspicious = Suspicious(f"the expression {text[:60]!r}")
    if len(text) > _LONGEST:
        raise suspicious
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError) as error:
        raise suspicious from error
    if sum(map(_is_power, ast.walk(tree.body))) > _POWERS_AT_MOST:
        raise suspicious
    if not _arithmetic(tree.body):
        raise suspicious


def _arithmetic(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return _call(node)
    if isinstance(node, ast.Name):
        return node.id in _NAMED or bool(_SYMBOL.fullmatch(node.id))
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and abs(node.value) < 1 << 63
    if not isinstance(node, _PLAIN) or (_is_power(node) and not _small(node)):
        return False
    return all(map(_arithmetic, ast.iter_child_nodes(node)))


def _call(node: ast.Call) -> bool:
    """A known function of arithmetic, or a symbol or number by its name."""
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if any(k.arg not in _ASSUMED or not _is_flag(k.value) for k in node.keywords):
        return False
    if name in ("Symbol", "Float"):
        texts = [a.value for a in node.args if isinstance(a, ast.Constant)]
        expected = _SYMBOL if name == "Symbol" else _DECIMAL
        return len(node.args) == 1 and all(
            isinstance(text, str) and expected.fullmatch(text) for text in texts
        )
    if name not in _FUNCTIONS or (_is_power(node) and not _small(node)):
        return False
    return all(map(_arithmetic, node.args))


def _is_flag(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (bool, int)


def _is_power(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Pow | ast.LShift | ast.RShift)
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return named and node.func.id in _POWERS  # type: ignore[attr-defined]


def _small(node: ast.AST) -> bool:
    """Return whether a power is of no other power, and its exponent a small number as written."""
    if sum(map(_is_power, ast.walk(node))) > 1:
        return False
    if isinstance(node, ast.BinOp):
        exponent: ast.AST = node.right
    elif isinstance(node, ast.Call) and len(node.args) == 2:
        exponent = node.args[1]
    else:
        return False
    named = [one.id for one in ast.walk(exponent) if isinstance(one, ast.Name)]
    numbers = [one.value for one in ast.walk(exponent) if isinstance(one, ast.Constant)]
    return (
        len(numbers) in (1, 2)
        and set(named) <= {"Integer", "Rational"}
        and all(
            isinstance(n, int | float) and abs(n) <= _HIGHEST_POWER for n in numbers
        )
    )


_CHECKS = {
    "name": _identifier,
    "as_name": _identifier,
    "target": _target,
    "expr_str": _expression,
    "in_spec": _tree,
    "out_spec": _tree,
    "fqn": path_name,
}
