import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.config import reader
from edgekit.errors import ProjectError
from edgekit.types import Budget, DataSpec, ModelSpec, Recipe

TRICKY = '''# a comment with [brackets] and = signs
title = "a # in text, a ] and a \\" quote"
"quoted key" = 1
dotted.inner . deep = """
[not.a.table]
x = 1 \\"""
""\"""

[table] # comment
numbers = [ 1, # one
  2,
  [3, 4], ]
inline = { a = 1, b = { c = [ { d = 5 } ] } }
literal = 'C:\\path'
raw = \'\'\'
it''s
\'\'\'
when = 1979-05-27 07:32:00Z

[[items]]
name = "first"
  [items.sub]
  x = 1
[[items]]
name = "second"
[table.child."x.y"]
z = true
'''


@dataclass(frozen=True, kw_only=True)
class Document:
    model: ModelSpec
    data: DataSpec | None = None
    budget: Budget = field(default_factory=Budget)
    recipe: Recipe = field(default_factory=Recipe)
    target: Mapping[str, Budget] = field(default_factory=dict)
    widths: Mapping[Literal["fp32", "int8"], int] = field(default_factory=dict)


MODEL = '[model]\nsource = "model.py:build"\n'


def paths(value, key=()):
    """Every key of a parsed document."""
    if key:
        yield key
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from paths(inner, (*key, name))
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from paths(inner, (*key, number))


def error_of(tmp_path: Path, text: str) -> str:
    file = tmp_path / "edgekit.toml"
    file.write_text(text)
    with pytest.raises(ProjectError) as error:
        reader.read(file, Document, ProjectError)
    message = str(error.value)
    assert "\n" not in message
    return message.removeprefix(f"{tmp_path}/")


def test_lines_of_a_tricky_document():
    found = reader.lines(TRICKY)
    assert set(found) == set(paths(tomllib.loads(TRICKY)))
    number = {line: n for n, line in enumerate(TRICKY.splitlines(), 1)}
    assert found["title",] == 2
    assert found["dotted", "inner", "deep"] == 4
    assert found["table", "numbers", 2, 1] == number["  [3, 4], ]"]
    assert found["table", "inline", "b", "c", 0, "d"] == found["table", "inline"]
    assert found["table", "when"] == number["when = 1979-05-27 07:32:00Z"]
    assert found["items", 0, "sub", "x"] == number["  x = 1"]
    assert found["items", 1, "name"] == number['name = "second"']
    assert found["table", "child", "x.y", "z"] == number["z = true"]


@given(
    st.dictionaries(
        st.text("ab", min_size=1, max_size=3),
        st.one_of(st.integers(), st.text("a#=[]{},' \t", max_size=6)),
        max_size=5,
    )
)
def test_each_key_is_found_on_its_line(values):
    rows = [
        f"{k} = {v if isinstance(v, int) else reader._shown(v)}"
        for k, v in values.items()
    ]
    text = "\n\n".join(rows)
    tomllib.loads(text)
    assert reader.lines(text) == {(k,): 2 * n + 1 for n, k in enumerate(values)}


def test_reads_nested_tables_tuples_and_whole_numbers_as_floats(tmp_path):
    file = tmp_path / "edgekit.toml"
    file.write_text(
        MODEL + "input = { shape = [3, 32, 32] }\n"
        "[budget]\nspeedup = 2\n[target.raspberrypi4]\nlatency_ms = 20\n"
    )
    document = reader.read(file, Document, ProjectError)
    assert document.model.input.shape == (3, 32, 32)
    assert document.budget == Budget(speedup=2.0)
    assert document.target == {"raspberrypi4": Budget(latency_ms=20.0)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            MODEL + "[budget]\nlatencyms = 20\n",
            "edgekit.toml:4: budget.latencyms = 20: unknown key. Did you mean 'latency_ms'? "
            "Known: latency_ms, speedup, size_mb, memory_mb, mmacs, energy_mj, "
            "accuracy_drop, accuracy_confidence.",
        ),
        (
            "[modle]\nsource = 'x'\n",
            "edgekit.toml:1: modle = { source = \"x\" }: unknown key. Did you mean 'model'? "
            "Known: model, data, budget, recipe, target, widths. (1 more after this one.)",
        ),
        (
            "# nothing\n",
            "edgekit.toml:1: model is missing; add `model = ...` to the file.",
        ),
        (
            "\n[model]\nweights = 'w'\n",
            "edgekit.toml:2: model.source is missing; add `source = ...` to [model].",
        ),
        (
            MODEL + "[budget]\nspeedup = -1\n",
            "edgekit.toml:4: budget.speedup = -1: should be greater than 0.",
        ),
        (
            MODEL + "[budget]\nspeedup = inf\n",
            "edgekit.toml:4: budget.speedup = Infinity: should be a finite number.",
        ),
        (
            MODEL + "[budget]\nspeedup = '2'\n",
            'edgekit.toml:4: budget.speedup = "2": should be a number.',
        ),
        (
            MODEL + "budget = 3\n[data]\ntrain = 'a'\ntest = 'b'\n",
            "edgekit.toml:3: model.budget = 3: unknown key. "
            "Known: source, weights, input, inputs, outputs, fixed, custom_objects.",
        ),
        (
            MODEL + "input = { shape = [3,\n 'x', 32] }\n",
            'edgekit.toml:4: model.input.shape[1] = "x": should be a whole number.',
        ),
        (
            MODEL + "input = { shape = [] }\n",
            "edgekit.toml:3: model.input.shape = []: should have at least 1 item, not 0.",
        ),
        (
            MODEL + "input = { shape = 3 }\n",
            "edgekit.toml:3: model.input.shape = 3: should be an array: [...].",
        ),
        (
            MODEL + "[recipe.prune]\nimportance = 'tailor'\n",
            'edgekit.toml:4: recipe.prune.importance = "tailor": should be one of '
            "'l1', 'l2', 'batchnorm', 'taylor', 'fisher', 'activation', "
            "'reconstruction'. Did you mean 'taylor'?",
        ),
        (
            MODEL + "recipe.distill = true\n",
            "edgekit.toml:3: model.recipe = { distill = true }: unknown key. "
            "Known: source, weights, input, inputs, outputs, fixed, custom_objects.",
        ),
        (
            "recipe = { distill = true }\n" + MODEL,
            "edgekit.toml:1: recipe.distill = true: should be a table: { key = value }.",
        ),
        (
            MODEL + "[widths]\nfp23 = 8\n",
            "edgekit.toml:4: widths.fp23 = 8: unknown key. Did you mean 'fp32'? Known: fp32, int8.",
        ),
        (
            MODEL + "[target.raspberrypi4]\nlatency_ms = 'fast'\n",
            'edgekit.toml:4: target.raspberrypi4.latency_ms = "fast": should be a number.',
        ),
        (
            MODEL + "weights = w.safetensors\n",
            "edgekit.toml:3: weights = w.safetensors: not valid TOML: invalid value. "
            "Text takes quotes, and a key appears once.",
        ),
        (
            MODEL + "source = 'again'\n",
            "edgekit.toml:3: source = 'again': not valid TOML: cannot overwrite a value. "
            "Text takes quotes, and a key appears once.",
        ),
    ],
)
def test_one_line_names_file_line_key_value_and_fix(tmp_path, text, message):
    assert error_of(tmp_path, text) == message


def test_an_unfinished_document_names_its_last_line(tmp_path):
    assert error_of(tmp_path, MODEL + "input = [1,\n").startswith(
        "edgekit.toml:3: input = [1,: not valid TOML"
    )


def test_a_given_field_may_not_stand_in_the_file(tmp_path):
    file = tmp_path / "edgekit.toml"
    file.write_text(MODEL)
    with pytest.raises(ProjectError, match=r"edgekit.toml:1: model = .*unknown key"):
        reader.read(file, Document, ProjectError, given={"model": {"source": "x"}})


def test_unreadable_files(tmp_path):
    with pytest.raises(ProjectError, match=r"Cannot read .*none.toml \(No such file"):
        reader.read(tmp_path / "none.toml", Document, ProjectError)
    file = tmp_path / "latin.toml"
    file.write_bytes(b"a = 1\nb = '\xe9'\n")
    with pytest.raises(ProjectError, match=r"latin.toml:2: not UTF-8"):
        reader.read(file, Document, ProjectError)


def test_at_opens_a_line_about_a_value(tmp_path):
    file = tmp_path / "edgekit.toml"
    file.write_text(MODEL)
    assert (
        reader.at(file, "model", "source")
        == f'{file}:2: model.source = "model.py:build"'
    )
    assert reader.at(file, "model", "weights") == f"{file}:1: model.weights"
