"""Every kind of note has words, and the page, the terminal and the JSON have every note."""

from __future__ import annotations

import dataclasses
import io
import json

import pytest
from rich.console import Console

from edgekit import report as reporting
from edgekit.errors import UsageError
from edgekit.report import document
from edgekit.report.note_words import sentence
from edgekit.types.notes import NOTES, Note
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


def test_json_has_each_note_as_a_record_with_its_kind_and_no_sentence(noted) -> None:
    found = json.loads(document.to_text(noted))["notes"]
    assert [note["kind"] for note in found] == [note.kind for note, _ in SENTENCES]
    assert all(next(iter(note)) == "kind" for note in found)
    for written, (_, words) in zip(found, SENTENCES, strict=True):
        assert words not in json.dumps(written)


def test_json_of_every_kind_can_be_read_again(noted) -> None:
    assert document.from_json(json.loads(document.to_text(noted))).notes == noted.notes


@pytest.mark.parametrize("version", [4, 6, None])
def test_a_report_of_another_schema_is_named(noted, version: int | None) -> None:
    written = json.loads(document.to_text(noted)) | {"schema_version": version}
    with pytest.raises(UsageError, match=r"schema (4|6|null); this EdgeKit supports 5"):
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
