"""`edgekit package --docker`: options that do not fit each other, and images in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgekit.errors import UsageError
from edgekit.package import PackageRequest
from edgekit.package.docker import packaging
from edgekit.package.docker.docker import EVERY, Image
from edgekit.package.docker.engine import CLIENT
from edgekit.progress import Silent
from edgekit.store import Store

PLAIN: dict[str, Any] = {
    "platform": None,
    "runtime": None,
    "tag": None,
    "base": None,
    "push": False,
    "contexts": None,
}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"push": True}, "--push needs --tag"),
        ({"push": True, "tag": "me/x:1", "platform": [EVERY]}, "name the platforms"),
        ({"tag": "-rm"}, "--tag"),
        ({"base": "a b"}, "--base"),
        ({"runtime": "litter"}, "No runtime 'litter'"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_an_engine_is_asked(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    words: str,
) -> None:
    monkeypatch.setenv(CLIENT, "/nonexistent/docker")
    request = PackageRequest(
        bundle=tmp_path / "none",
        options={**PLAIN, **options},
        store=Store(tmp_path / "store"),
        progress=Silent(),
    )
    with pytest.raises(UsageError, match=words):
        packaging.package(request)
    assert not list(tmp_path.iterdir())


def test_an_image_is_described_with_its_parts_beyond_the_base() -> None:
    image = Image(
        tag="me/x:1-arm64",
        platform="linux/arm64",
        base="debian",
        base_bytes=100,
        parts_bytes={"numpy": 30, "models": 12},
        trial="tried",
        runtime="litert",
        layers=(),
    )
    found = packaging.described(image)
    assert found.title == "me/x:1-arm64  linux/arm64"
    assert found.totals_bytes["base debian"] == 100
    assert found.totals_bytes["beyond the base"] == image.beyond_base_bytes == 42
    assert found.facts["beyond_base_bytes"] == 42 and found.note == "tried"
