"""Debian packages for another processor, by extraction."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from edgekit.package.docker import debian
from edgekit.package.docker.layers import Entry


def test_a_list_has_comments_and_empty_lines(tmp_path: Path) -> None:
    (tmp_path / "base.txt").write_text("# all\nlibc6  # of C\n\n  python3\n")
    assert debian.names(tmp_path / "base.txt") == ["libc6", "python3"]


def test_links_of_alternatives_are_made() -> None:
    library = "usr/lib/aarch64-linux-gnu/blas/libblas.so.3"
    tree = {library: Entry(part="numpy", content=b"code"), "usr/bin/x": Entry(part="x")}
    links = debian._alternatives(tree)
    assert list(links) == ["usr/lib/aarch64-linux-gnu/libblas.so.3"]
    [link] = links.values()
    assert (link.part, link.link) == ("numpy", "blas/libblas.so.3")


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb")
def test_a_package_is_named_with_its_version_and_hash(tmp_path: Path) -> None:
    control = tmp_path / "tree" / "DEBIAN" / "control"
    control.parent.mkdir(parents=True)
    control.write_text(
        "Package: tiny\nVersion: 1.2-3\nArchitecture: arm64\n"
        "Maintainer: me <me@example.org>\nDescription: tiny\n"
    )
    (tmp_path / "tree/usr").mkdir()
    (tmp_path / "tree/usr/file").write_text("content")
    deb = tmp_path / "tiny.deb"
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", tmp_path / "tree", deb],
        check=True,
        capture_output=True,
    )
    found = debian._component(deb, "arm64")
    assert (found.name, found.version) == ("tiny", "1.2-3")
    assert found.purl == "pkg:deb/debian/tiny@1.2-3?arch=arm64&distro=bookworm"
    assert len(found.digest) == 64
    assert b"content" in debian._files(deb)
