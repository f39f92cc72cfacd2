"""The client of an engine."""

from __future__ import annotations

import pytest

from edgekit.package.docker.engine import Run, explained


@pytest.mark.parametrize(
    ("code", "starved", "words"),
    [
        (0, False, None),
        (137, True, "out of memory (64m), exit code 137"),
        (0, True, "out of memory (64m), although it ended with 0"),
        (137, False, "killed from outside (137)"),
        (139, False, "the runtime crashed (139)"),
        (2, False, "exit code 2: last line"),
    ],
)
def test_the_end_of_a_container_is_explained(
    code: int, starved: bool, words: str | None
) -> None:
    run = Run(code=code, out=b"", err="first\nlast line\n", out_of_memory=starved)
    said = explained(run, "64m")
    assert said is None if words is None else words in (said or "")
