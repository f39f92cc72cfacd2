"""The site of a page: its own folders, behind a secret, for this machine alone."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from edgekit.devices.browser.site import DONE, Site, served


def answered(address: str, content: bytes | None = None) -> tuple[int, bytes, object]:
    request = urllib.request.Request(address, data=content)
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, reply.read(), reply.headers
    except urllib.error.HTTPError as error:
        return error.code, b"", error.headers


@pytest.fixture
def site(tmp_path: Path) -> Site:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a.wasm").write_bytes(b"wasm")
    (tmp_path / "outside.txt").write_text("private")
    (inside / "link").symlink_to(tmp_path / "outside.txt")
    return Site(folders={"files": inside}, texts={"page.html": b"page"})


def test_files_are_answered_with_their_type_and_the_page_is_isolated(
    site: Site,
) -> None:
    with served(site) as address:
        status, content, headers = answered(address + "files/a.wasm")
        assert (status, content) == (200, b"wasm")
        assert headers["Content-Type"] == "application/wasm"  # type: ignore[index]
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"  # type: ignore[index]
        assert answered(address + "page.html")[1] == b"page"


@pytest.mark.parametrize(
    "path",
    [
        "files/../outside.txt",
        "files/%2e%2e/outside.txt",
        "files/link",
        "files/",
        "files",
        "other",
        "",
    ],
)
def test_nothing_else_is_answered(site: Site, path: str) -> None:
    with served(site) as address:
        assert answered(address + path)[0] == 404
        root = address.removesuffix(f"{site.secret}/")
        assert answered(f"{root}page.html")[0] == 404
        assert answered(f"{root}result", b"x")[0] == 404
    assert not site.posted and not site.done.is_set()


def test_a_page_posts_parts_and_then_its_result(site: Site) -> None:
    with served(site) as address:
        answered(address + "part", b"1")
        assert not site.done.is_set()
        answered(address + DONE, b"2")
    assert site.done.is_set() and site.posted == {"part": b"1", DONE: b"2"}
