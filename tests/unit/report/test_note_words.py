"""Every kind of note has words, and the page, the terminal and the JSON have every note."""

from __future__ import annotations

import dataclasses
import io
import json
import typing
from collections.abc import Iterator

import pytest
from rich.console import Console

from edgekit import report as reporting
from edgekit.errors import UsageError
from edgekit.report import document
from edgekit.report.export_words import reasons, refusal
from edgekit.report.note_words import qat_reason, sentence
from edgekit.types import export_notes, notes
from edgekit.types.export_notes import ParityFault, Refusal
from edgekit.types.notes import NOTES, Note, QatReason
from tests import reports
from tests.notes import KINDS, SENTENCES


@pytest.fixture(scope="module")
def noted() -> reporting.Report:
    """A report with a note of every kind."""
    found = tuple(note for note, _ in SENTENCES)
    return dataclasses.replace(reports.report(), notes=found)


@pytest.mark.parametrize(
    ("note", "words"), SENTENCES, ids=[note.kind for note, _ in SENTENCES]
)
def test_the_sentence_of_each_kind(note: Note, words: str) -> None:
    assert sentence(note) == words


def test_every_kind_is_known_by_its_own_name_and_has_a_sentence_here() -> None:
    assert len(KINDS) == len(NOTES)
    assert {type(note) for note, _ in SENTENCES} == set(NOTES)


def declared() -> Iterator[type]:
    """Every class of the notes' modules that has a `kind`."""
    for module in (notes, export_notes):
        for one in vars(module).values():
            fields = getattr(one, "__dataclass_fields__", {})
            if "kind" in fields and one.__module__ == module.__name__:
                yield one


def test_no_class_with_a_kind_is_outside_of_the_union() -> None:
    assert set(declared()) == set(NOTES)


@pytest.mark.parametrize(
    ("owner", "field"),
    [
        (Refusal, "cause"),
        (Refusal, "fix"),
        (ParityFault, "measure"),
        (QatReason, "cause"),
    ],
)
def test_every_value_of_a_choice_has_words(owner: type, field: str) -> None:
    hints = typing.get_type_hints(owner)[field]
    values = [v for v in typing.get_args(hints) if isinstance(v, str)] or [
        v for one in typing.get_args(hints) for v in typing.get_args(one)
    ]
    assert values
    for value in values:
        if owner is QatReason:
            text = qat_reason(QatReason(cause=value, artifact="x"))
        elif owner is Refusal:
            given = {"cause": "operator_missing", "by": "x", "operator": "ADD"}
            known = {"version": 2, "supported": 1}
            text = refusal(Refusal(**given | known | {field: value}))
        else:
            fault = ParityFault(
                measure=value,
                value=0.5,
                limit=0.1,
                samples=1,
                metric="accuracy",
                shapes=((1,), (2,)),
            )
            text = sentence(export_notes.NotCompeting(artifacts=("x",), fault=fault))
        assert len(text) > 10
        assert "None" not in text


def test_reasons_of_several_are_sentences_and_each_is_there_once() -> None:
    out = [
        export_notes.LeftOut(
            name=name,
            runtime="litert",
            precision=None,
            refusals=(Refusal(cause="export_failed", by="litert", detail=why),),
        )
        for name, why in (
            ("a", "No such scheme."),
            ("b", "No such scheme."),
            ("c", "Crash"),
        )
    ]
    assert reasons(out) == "No such scheme. Crash."


def test_json_has_each_note_as_a_record_with_its_kind_and_no_sentence(noted) -> None:
    found = json.loads(document.to_text(noted))["notes"]
    assert [note["kind"] for note in found] == [note.kind for note, _ in SENTENCES]
    assert all(next(iter(note)) == "kind" for note in found)
    for written, (_, words) in zip(found, SENTENCES, strict=True):
        assert words not in json.dumps(written)


def test_json_of_every_kind_can_be_read_again(noted) -> None:
    assert document.from_json(json.loads(document.to_text(noted))).notes == noted.notes


@pytest.mark.parametrize("version", [2, 4, None])
def test_a_report_of_another_schema_is_named(noted, version: int | None) -> None:
    written = json.loads(document.to_text(noted)) | {"schema_version": version}
    with pytest.raises(UsageError, match=r"schema (2|4|null); this EdgeKit knows 3"):
        document.from_json(written)


def test_the_schema_lists_every_kind() -> None:
    definitions = document.schema()["$defs"]
    kinds = {
        one["properties"]["kind"]["const"]
        for one in definitions.values()
        if "kind" in one.get("properties", {}) and "const" in one["properties"]["kind"]
    }
    assert set(KINDS) <= kinds


def test_the_page_and_the_terminal_have_every_sentence(noted) -> None:
    page = reporting.to_html(noted)
    console = Console(width=2000, record=True, file=io.StringIO())
    reporting.summary(noted, console)
    text = console.export_text()
    for note, words in SENTENCES:
        escaped = words.replace("'", "&#39;").replace('"', "&#34;")
        assert f"<li>{escaped}</li>" in page, note.kind
        assert words in text, note.kind
