"""Projects and bundles through the store, from one machine to another.

Heavy data never passes the cluster's own channels: a project's folder is an entry of the store,
named by the content of its files, and so is a bundle. Machines with caches of their own exchange
entries through the shared cache (`EDGEKIT_SHARED_CACHE`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgekit import scratch
from edgekit.config.project import Project
from edgekit.errors import OutputError, ProjectError
from edgekit.store import Store, digest, key
from edgekit.store.shared import SHARED

PROJECTS, BUNDLES = "projects", "built"
_LEFT_OUT = ("__pycache__",)


def keep_project(project: Project, store: Store, *, without: Collection[Path]) -> str:
    """Keep the project's folder where every machine finds it; the name of its entry.

    Hidden files stay behind, and the folders `without`. Links are followed. Raises `ProjectError`
    for a path that leads out of the folder, `OutputError` where the cache cannot be written.
    """
    _refuse_outside(project)
    files = dict(_files(project.root, {path.resolve() for path in without}))
    name = key(sorted((inner, digest(file)) for inner, file in files.items()))

    def write(folder: Path) -> None:
        for inner, file in files.items():
            (folder / inner).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / inner)

    store.keep(PROJECTS, name, write)
    _hand_over(store, PROJECTS, name)
    return name


@contextmanager
def project_files(store: Store, name: str) -> Iterator[Path]:
    """A copy of a kept project's folder while the block lasts: its code may write beside itself.

    Raises `OutputError` where the entry cannot be found.
    """
    kept = _take_over(store, PROJECTS, name)
    with scratch.folder(store.root / PROJECTS) as place:
        copy = place / "project"
        shutil.copytree(kept, copy, copy_function=_linked)
        yield copy


def keep_bundle(folder: Path, store: Store) -> str:
    """Keep a finished bundle where every machine finds it; the name of its entry.

    Raises `OutputError` where the cache cannot be written.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    name = key([(path.relative_to(folder).as_posix(), digest(path)) for path in files])

    def write(place: Path) -> None:
        shutil.copytree(folder, place, dirs_exist_ok=True)

    store.keep(BUNDLES, name, write)
    _hand_over(store, BUNDLES, name)
    return name


def bundle_files(store: Store, name: str) -> Path:
    """The files of a kept bundle, which must not be written to.

    Raises `OutputError` where the entry cannot be found.
    """
    return _take_over(store, BUNDLES, name)


def _hand_over(store: Store, stage: str, name: str) -> None:
    """Have an entry in the shared cache, where there is one; the machines need it there."""
    shared = store.shared
    if shared is None or shared.holds(stage, name):
        return
    store.publish(stage, name)
    if not shared.holds(stage, name):
        raise OutputError(
            f"The shared cache {shared.shown} cannot be used, and the machines of a cluster "
            f"exchange files through it. Set {SHARED} to a folder or a URL that can be written."
        )


def _take_over(store: Store, stage: str, name: str) -> Path:
    found = store.find(stage, name) or store.fetch(stage, name)
    if found is None:
        place = store.root if store.shared is None else store.shared.shown
        raise OutputError(
            f"{place} has no entry {stage}/{name}, which another machine left there. Set {SHARED} "
            "to one folder or URL on every machine."
        )
    return found


def _linked(source: str, copy: str) -> None:
    """A hard link, or a copy where the disk has none; code is copied, as it may be rewritten."""
    if source.endswith(".py"):
        shutil.copyfile(source, copy)
        return
    try:
        os.link(source, copy)
    except OSError:
        shutil.copyfile(source, copy)


def _files(root: Path, without: Collection[Path]) -> Iterator[tuple[str, Path]]:
    """Every file below `root`, by its name in it."""
    seen = {root.resolve(), *without}
    for place, folders, files in os.walk(root, followlinks=True):
        here = Path(place)
        folders[:] = sorted(
            name for name in folders if _travels(name) and _new(here / name, seen)
        )
        for name in sorted(filter(_travels, files)):
            file = here / name
            if file.is_file():
                yield file.relative_to(root).as_posix(), file


def _travels(name: str) -> bool:
    return not name.startswith(".") and name not in _LEFT_OUT


def _new(folder: Path, seen: set[Path]) -> bool:
    """Return whether a folder was not met before: links may lead in circles."""
    real = folder.resolve()
    if real in seen:
        return False
    seen.add(real)
    return True


def _refuse_outside(project: Project) -> None:
    for table in ("model", "data", "task"):
        for name, text in _texts(asdict(getattr(project, table))):
            inner = Path(os.path.normpath(text.partition(":")[0]))
            if not inner.is_absolute() and inner.parts[:1] == ("..",):
                raise ProjectError(
                    f"{project.file}: {table}.{name} = {text!r} is outside of the project's "
                    "folder, which is all that the machines of a cluster get. Move it or link it "
                    "into the folder, or name a path that is the same on every machine."
                )


def _texts(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _texts(value, f"{before}{name}.")
        elif isinstance(value, str):
            yield f"{before}{name}", value
