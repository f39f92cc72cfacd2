"""Layers: the same files give the same bytes, whatever the machine and the time."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from edgekit.package.docker import layers
from edgekit.package.docker.layers import Entry

EPOCH = 1_700_000_000


def tree(folder: Path) -> layers.Tree:
    folder.mkdir()
    (folder / "b.py").write_text("def f(x=(1, 'a')):\n    return {x: 'interned'}\n")
    (folder / "run").write_text("#!")
    (folder / "run").chmod(0o700)
    return {
        **layers.folder(folder, "opt/x", "ours"),
        "usr/lib/z": Entry(part="theirs", content=b"zz"),
        "lib": Entry(part="theirs", link="usr/lib"),
    }


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    first = layers.compiled(tree(tmp_path / "one"))
    layers.write(first, tmp_path / "one.tar", EPOCH)
    again = tree(tmp_path / "two")
    for file in (tmp_path / "two").iterdir():
        os.utime(file, (1, 1))
    layers.write(
        layers.compiled(dict(reversed(again.items()))), tmp_path / "two.tar", EPOCH
    )
    assert digest(tmp_path / "one.tar") == digest(tmp_path / "two.tar")


def test_everything_belongs_to_root_at_one_time(tmp_path: Path) -> None:
    layers.write(tree(tmp_path / "x"), tmp_path / "x.tar", EPOCH)
    with tarfile.open(tmp_path / "x.tar") as tar:
        members = {member.name: member for member in tar}
    assert {m.mtime for m in members.values()} == {EPOCH}
    assert {(m.uid, m.gid, m.uname) for m in members.values()} == {(0, 0, "")}
    assert members["opt/x/run"].mode == 0o755 and members["opt/x/b.py"].mode == 0o644
    assert members["opt"].isdir() and members["lib"].linkname == "usr/lib"


def test_byte_code_is_what_python_loads(tmp_path: Path) -> None:
    found = layers.compiled(tree(tmp_path / "x"))
    if sys.version_info[:2] != layers.IMAGE_PYTHON:
        assert not any(path.endswith(".pyc") for path in found)
        return
    layers.write(found, tmp_path / "x.tar", EPOCH)
    with tarfile.open(tmp_path / "x.tar") as tar:
        tar.extractall(tmp_path / "out", filter="data")
    # The source is changed: only byte code that is really loaded still gives the old answer.
    (tmp_path / "out/opt/x/b.py").write_text("raise SystemExit(3)\n")
    done = subprocess.run(
        [sys.executable, "-c", "import b; print(b.f())"],
        cwd=tmp_path / "out/opt/x",
        env={"PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "{(1, 'a'): 'interned'}"


def test_debian_paths_come_where_a_merged_usr_has_them() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, kind, link in (
            ("./lib/x/libc.so.6", tarfile.REGTYPE, ""),
            ("./lib64/ld.so", tarfile.SYMTYPE, "/lib/x/ld.so"),
            ("./usr/share/a", tarfile.REGTYPE, ""),
            ("./usr/bin/b", tarfile.LNKTYPE, "./usr/bin/a"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            tar.addfile(info, io.BytesIO())
    found = layers.unpacked(file.getvalue(), "libc6")
    assert set(found) == {
        "usr/lib/x/libc.so.6",
        "usr/lib64/ld.so",
        "usr/share/a",
        "usr/bin/b",
    }
    assert found["usr/lib64/ld.so"].link == "/lib/x/ld.so"
    assert found["usr/bin/b"].link == "a"


def test_what_no_image_needs_is_left_out(tmp_path: Path) -> None:
    found = {
        f"opt/edgekit/site/numpy/{name}": Entry(part="numpy", content=b"1")
        for name in ("core.py", "tests/test_a.py", "ma/tests/b.py", "x.pyi")
    }
    kept = layers.without(found, ["*/numpy/tests/*", "*/numpy/*/tests/*", "*.pyi"])
    assert list(kept) == ["opt/edgekit/site/numpy/core.py"]
    assert layers.sizes(kept) == {"numpy": 1}
