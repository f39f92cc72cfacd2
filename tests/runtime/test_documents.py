"""Every page of the documentation, done block after block in a fresh folder, as a reader does."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.runtime.documents import folders, pages, reader
from tests.runtime.documents.pages import PAGES, ROOT, name
from tests.runtime.documents.reader import Fault, Reader, Shell

Read = Callable[[Path, str], None]
"""Goes through a page as the one of that name."""

OWN = [page for page in PAGES if name(page) in folders.HAS]
"""Pages whose reader comes with something of their own; others are about one project."""
SHARED = [page for page in PAGES if page not in OWN]


@pytest.fixture(scope="class")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    opened = Shell.opened(tmp_path_factory.mktemp("shell"))
    yield opened
    opened.close()


@pytest.fixture(scope="class")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reader") / "cache"


@pytest.fixture(scope="class")
def built(
    own_project: Path,
    tmp_path_factory: pytest.TempPathFactory,
    shell: Shell,
    cache: Path,
) -> Path:
    """A project that was built once."""
    folder = tmp_path_factory.mktemp("built") / "project"
    shutil.copytree(own_project, folder)
    toml = folder / "edgekit.toml"
    document = reader.quick(tomllib.loads(toml.read_text()))
    document["recipe"]["export"]["runtimes"] = ["litert", "onnxruntime"]
    toml.write_text(pages.dumped(document))
    done = shell.type("edgekit build --target raspberrypi", folder, cache)
    assert done.returncode == 0, done.stderr
    document["recipe"]["export"]["runtimes"] = ["litert"]
    toml.write_text(pages.dumped(document))
    return folder


@pytest.fixture
def read(shell: Shell, cache: Path, built: Path, tmp_path: Path) -> Read:
    """Read a page in a fresh folder, with a cache of its own where it changes that."""

    def go(page: Path, called: str) -> None:
        folder = tmp_path / "project"
        folder.mkdir()
        own = cache
        if "edgekit cache clean" in page.read_text():
            own = tmp_path / "cache"
            shutil.copytree(cache, own, symlinks=True)
        Reader(
            page=page, name=called, folder=folder, cache=own, shell=shell, built=built
        ).read()

    return go


def test_each_exception_is_used() -> None:
    commands = list(pages.commands())
    python = "".join(
        b.text for p in PAGES for b in pages.blocks(p) if b.language == "python"
    )
    for table in (reader.ELSEWHERE, reader.NEEDS, reader.MAY_END):
        known = [*commands, python] if table is reader.NEEDS else commands
        unused = [part for part in table if not any(part in x for x in known)]
        assert not unused, "no page has these any more"
    assert not [part for part in reader.INSTEAD if part not in python]
    assert all((ROOT / page).exists() for page in pages.WHOLE)
    names = {name(page) for page in PAGES}
    assert not (folders.HAS.keys() | folders.FILLS.keys()) - names
    for page, own in folders.HAS.items():
        headings = {b.heading for b in pages.blocks(ROOT / page)}
        assert not own.keys() - headings - {""}, page


def test_every_program_of_the_pages_is_known() -> None:
    """Others need a reason in `ELSEWHERE`."""
    first = {
        part.split()[0]
        for line in pages.commands()
        if not any(part in line for part in reader.ELSEWHERE)
        for part in line.split("&&")
    }
    assert first == {"edgekit", "python"}


def test_a_block_is_entered_as_a_reader_does() -> None:
    file = {
        "model": {"source": "a.py:build", "weights": "a.safetensors"},
        "data": {"train": "a", "test": "b", "preprocess": {"scale": 255}},
        "budget": {"speedup": 2.0},
    }
    added = pages.merged(file, {"budget": {"size_mb": 1.0}, "model": {"input": 3}})
    assert added["budget"] == {"speedup": 2.0, "size_mb": 1.0}
    assert added["model"] == {**file["model"], "input": 3}
    another = pages.merged(file, {"model": {"source": "b.onnx"}})
    assert another == {**file, "model": {"source": "b.onnx"}}
    whole = {"model": {"source": "c"}, "data": {"train": "d", "test": "e"}}
    assert pages.merged(file, whole) == whole
    assert tomllib.loads(pages.dumped(file)) == file


WRONG = {
    "```sh\nedgekit targets show rasberrypi\n```": "ends with 2",
    "```toml\n[recipe.distill]\nepocs = 3\n```": "is refused: .*epocs",
    "```python\nimport edgekit\n\nedgekit.bild\n```": "bild",
}


@pytest.mark.slow
class TestPagesOfAProject:
    """Two classes, so that two processes divide the pages between them."""

    @pytest.mark.parametrize("page", SHARED, ids=name)
    def test_a_page_does_what_it_says(self, page: Path, read: Read) -> None:
        read(page, name(page))

    @pytest.mark.parametrize("block", WRONG)
    def test_what_is_wrong_is_found(
        self, block: str, read: Read, tmp_path: Path
    ) -> None:
        page = tmp_path / "page.md"
        page.write_text(f"# A page\n\n{block}\n")
        with pytest.raises(Fault, match=rf"(?s)page\.md:3: .*{WRONG[block]}"):
            read(page, "page.md")


@pytest.mark.slow
class TestPagesWithFilesOfTheirOwn:
    @pytest.mark.parametrize("page", OWN, ids=name)
    def test_a_page_does_what_it_says(self, page: Path, read: Read) -> None:
        read(page, name(page))
