"""Files of an image's layer, and the tar they become: the same files, the same bytes.

Order, times, owners and modes are ours, so that a layer's digest depends on its content alone.
"""

from __future__ import annotations

import importlib.util
import io
import marshal
import posixpath
import stat
import sys
import tarfile
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

IMAGE_PYTHON = (3, 11)
EPOCH = 1672531200
"""The date of what no build made: layers of one content are one layer, whatever the bundle."""
_UNCHECKED_HASH = (1).to_bytes(4, "little")
_MERGED = ("bin", "lib", "lib64", "sbin")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file, or one symbolic link, and the part of the image it is counted to."""

    part: str
    content: bytes | Path = b""
    link: str | None = None
    executable: bool = False

    @property
    def size_bytes(self) -> int:
        """Bytes of the content."""
        if isinstance(self.content, Path):
            return self.content.stat().st_size
        return len(self.content)

    def read(self) -> bytes:
        """The content."""
        if isinstance(self.content, Path):
            return self.content.read_bytes()
        return self.content


Tree = dict[str, Entry]
"""Entries by their path in the image, without the leading slash."""


def folder(root: Path, at: str, part: str) -> Tree:
    """Every file under `root`, placed at `at` in the image."""
    return {
        f"{at}/{file.relative_to(root).as_posix()}": Entry(
            part=part,
            content=file,
            executable=bool(file.stat().st_mode & stat.S_IXUSR),
        )
        for file in sorted(root.rglob("*"))
        if file.is_file()
    }


def unpacked(archive: bytes, part: str) -> Tree:
    """The files of a Debian package's tar, where a merged `/usr` has them."""
    tree: Tree = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            path = merged(member.name)
            executable = bool(member.mode & stat.S_IXUSR)
            if member.issym():
                tree[path] = Entry(part=part, link=member.linkname)
            elif member.islnk():
                target = merged(member.linkname)
                tree[path] = Entry(
                    part=part,
                    link=posixpath.relpath(target, posixpath.dirname(path) or "."),
                )
            elif member.isfile():
                file = tar.extractfile(member)
                content = b"" if file is None else file.read()
                tree[path] = Entry(part=part, content=content, executable=executable)
    return tree


def merged(path: str) -> str:
    """`/lib/x` as `usr/lib/x`: a layer must not put a folder over a base's link `/lib`."""
    clean = posixpath.normpath(path).lstrip("/")
    first = clean.split("/", 1)[0]
    return f"usr/{clean}" if first in _MERGED else clean


def without(tree: Tree, patterns: Iterable[str]) -> Tree:
    """The tree less what matches one of the patterns; `*` matches slashes too."""
    requested = list(patterns)
    return {
        path: entry
        for path, entry in tree.items()
        if not any(fnmatch(path, pattern) for pattern in requested)
    }


def compiled(tree: Tree) -> Tree:
    """The tree with byte code beside its modules, where this Python is the image's.

    An image is read-only to its user: without byte code each start compiles everything again,
    which takes seconds on a small board.
    """
    if sys.version_info[:2] != IMAGE_PYTHON:
        return dict(tree)
    result = dict(tree)
    for path, entry in tree.items():
        if path.endswith(".py") and entry.link is None:
            code = _byte_code(entry.read(), path)
            if code is not None:
                result[_cached(path)] = Entry(part=entry.part, content=code)
    return result


def _cached(path: str) -> str:
    at = PurePosixPath(path)
    tag = "".join(map(str, IMAGE_PYTHON))
    return str(at.parent / "__pycache__" / f"{at.stem}.cpython-{tag}.pyc")


def _byte_code(source: bytes, path: str) -> bytes | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            code = compile(source, f"/{path}", "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            return None  # a template, or a module of another Python
    # Version 2 has no references between objects, which would depend on what else this
    # process holds; the hash is not checked on import, as the layer cannot change.
    body = marshal.dumps(code, 2)
    digest = importlib.util.source_hash(source)
    return importlib.util.MAGIC_NUMBER + _UNCHECKED_HASH + digest + body


def write(tree: Tree, path: Path, epoch: int) -> None:
    """The tree as a tar in which everything has the time `epoch` and belongs to root."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name in _folders(tree):
            info = _info(
                name, tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755, epoch
            )
            tar.addfile(info)
        for name, entry in sorted(tree.items()):
            if entry.link is not None:
                info = _info(name, tarfile.SYMTYPE, 0o777, epoch)
                info.linkname = entry.link
                tar.addfile(info)
                continue
            mode = 0o755 if entry.executable else 0o644
            info = _info(name, tarfile.REGTYPE, mode, epoch)
            info.size = entry.size_bytes
            tar.addfile(info, io.BytesIO(entry.read()))


def _folders(tree: Tree) -> Iterator[str]:
    found = {
        str(parent)
        for path in tree
        for parent in PurePosixPath(path).parents
        if str(parent) != "."
    }
    yield from sorted(found)


def _info(name: str, kind: bytes, mode: int, epoch: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = kind, mode, epoch
    return info


def sizes(tree: Tree) -> dict[str, int]:
    """Bytes of each part, the largest first."""
    total: dict[str, int] = {}
    for entry in tree.values():
        total[entry.part] = total.get(entry.part, 0) + entry.size_bytes
    return dict(sorted(total.items(), key=lambda pair: -pair[1]))
