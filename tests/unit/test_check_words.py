"""The checker of words: what it finds, what it leaves, and that the repository is clean."""

from __future__ import annotations

import pytest

from tools import check_words


def finds(text: str, file: str = "edgekit/room/module.py") -> list[str]:
    return [find.suggestion for find in check_words.check(file, text)]


@pytest.mark.parametrize(
    "text",
    [
        "def teach(pupil): ...\n",
        "crew = 1\n",
        "class Lesson: ...\n",
        "def quantise(): ...\n",
        '"""What a student\'s training descends."""\n',
        '"""A table. Which layers follow is said here."""\n',
        "# The report tells which figure was asked.\n",
        "raise ValueError(f'{name} is no number in the file')\n",
        '"""Behaviour of two colours."""\n',
        '"""Weights are drawn\nanew in each run."""\n',
    ],
)
def test_the_old_words_are_found(text: str) -> None:
    assert finds(text)


@pytest.mark.parametrize(
    "text",
    [
        "def distill(student_module): ...\n",
        '"""The training objective: cross entropy of soft targets."""\n',
        '"""Where there is no meter, `what is told` is code and stays."""\n',
        '"""What is measured?"""\n',
        "KEY = 'told'\n",
        "# there is no room left here\n",
    ],
)
def test_plain_words_are_left(text: str) -> None:
    assert not finds(text)


def test_a_find_names_its_line_and_a_suggestion() -> None:
    text = '"""First.\n\nSecond and\nanew."""\n'
    [find] = check_words.check("edgekit/one.py", text)
    assert str(find) == "edgekit/one.py:4: anew.: again"


def test_markdown_toml_and_templates_are_read() -> None:
    assert finds("# Title\n\nIt is told here.\n", "README.md")
    assert not finds("```sh\nit is told here\n```\n", "README.md")
    assert finds("speed = 1  # what the board says of it\n", "targets/board.toml")
    assert finds("<p>It tells {{ value }} again.</p>", "edgekit/report/page.html")


def test_the_repository_has_none_of_the_old_words() -> None:
    found = [
        str(find)
        for file in check_words.files()
        for find in check_words.check(
            file, (check_words.ROOT / file).read_text(encoding="utf-8")
        )
    ]
    assert not found, "\n".join(found[:20])
