"""`edgekit package`."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.package.docker.engine import CLIENT
from tests.command import edgekit


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (
            ("build", "-t", "raspberrypi", "--image"),
            3,
            "there is no docker command here",
        ),
        (("package", "build"), 2, "edgekit package --docker"),
        (("package", "--web", "build"), 2, "build is not a bundle"),
        (("package", "--web", "build", "--push"), 2, "not an option of --web"),
        (("package", "--docker", "build", "--push"), 2, "--push needs --tag"),
        (
            ("package", "--docker", "build", "--runtime", "x"),
            2,
            "No runtime 'x'. Known",
        ),
    ],
)
def test_what_cannot_be_packaged_is_refused_at_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    status: int,
    words: str,
) -> None:
    monkeypatch.setenv(CLIENT, "/nonexistent/docker")
    done = edgekit(tmp_path, *arguments)
    assert done.returncode == status
    [line] = done.stderr.strip().splitlines()
    assert line.startswith("Error:") and words in line
    assert not list(tmp_path.iterdir()), "nothing was begun"
