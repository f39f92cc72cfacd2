"""The folder that a package is written to."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import OutputError, UsageError
from edgekit.package import output_folder


def test_an_older_package_is_replaced_and_a_tools_files_are_not_in_the_way(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    output_folder.write(out, {"a/b": b"1", "c": b"2"})
    (out / "build").mkdir()
    (out / "build/x").touch()
    output_folder.write(out, {"a/b": b"3", "c": b"2"}, beside=("build",))
    files = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert files == {"a/b", "c"} and (out / "a/b").read_bytes() == b"3"


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    with pytest.raises(OutputError, match="mine is not of such a package"):
        output_folder.write(tmp_path, {"a": b""})
    with pytest.raises(OutputError, match="is a file"):
        output_folder.write(mine, {"a": b""})
    assert [*tmp_path.iterdir()] == [mine] and mine.read_text() == "mine"


def test_a_license_is_an_expression() -> None:
    assert output_folder.license_of(None) == "UNLICENSED"
    assert output_folder.license_of("MIT OR Apache-2.0") == "MIT OR Apache-2.0"
    with pytest.raises(UsageError, match="--license"):
        output_folder.license_of("MIT\n")
