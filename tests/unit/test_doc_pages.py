"""The documentation: its links, its navigation, its blocks, and the pages made from the code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from edgekit.cli import app
from edgekit.config import farm, project, reader
from edgekit.errors import FarmError, ProjectError
from tests.unit.test_habits import DOCUMENTS, ROOT, python_blocks, shell_lines
from tools.doc_pages import commands, markdown, plots, site, toml

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
CODE = re.compile(r"^( *)```.*?^ *```$|`[^`\n]+`", re.S | re.M)


def anchors(page: Path) -> set[str]:
    """Ids of a page's headings, as the site and GitHub make them."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text("utf-8"), flags=re.S | re.M)
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    plain = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings)
    return {re.sub(r"\s+", "-", heading) for heading in plain}


def dead(page: Path, text: str) -> Iterator[str]:
    """Relative links of a page that lead nowhere."""
    for link in LINK.findall(CODE.sub("`code`", text)):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        to = (page.parent / file).resolve() if file else page
        if not to.exists() or (anchor and anchor not in anchors(to)):
            yield link


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert not list(dead(page, page.read_text(encoding="utf-8")))


def test_dead_links_are_found() -> None:
    page = DOCS / "index.md"
    text = (
        "[a](install.md) [b](no.md) [`c`](install.md#no) [d](install.md#on-the-device)"
    )
    assert list(dead(page, text)) == ["no.md", "install.md#no"]
    assert list(dead(page, "`[a](no.md)`\n```sh\n[b](no.md)\n```")) == []


def named(entry: Any) -> Iterator[str]:
    """The pages of a part of the navigation."""
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        entry = [inner for value in entry.values() for inner in value]
    if isinstance(entry, list):
        for inner in entry:
            yield from named(inner)


def test_the_navigation_has_every_page_once() -> None:
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    listed = list(named(config["nav"]))
    assert sorted(listed) == [str(page.relative_to(DOCS)) for page in PAGES]


def refused(line: str) -> str | None:
    """Why the command line's own parser does not take a line that begins with `edgekit`."""
    command: Any = typer.main.get_command(app)
    words = line.split()[1:]
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    if getattr(command, "commands", {}) and words and not words[0].startswith("-"):
        return f"{line}: no such command"
    try:
        command.make_context("edgekit", words)
    except SystemExit:  # --help and --version
        return None
    except Exception as error:  # noqa: BLE001 - Typer's click is private, and so is its error
        return f"{line}: {error or type(error).__name__}"
    return None


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_are_taken_by_the_parser(page: Path) -> None:
    calls = [
        call.strip()
        for line in shell_lines(page.read_text(encoding="utf-8"))
        for call in re.findall(r"(?:^|(?<=[&;]) *)(edgekit\s[^#&|>;]*)", line.strip())
    ]
    assert not [why for why in map(refused, calls) if why]


def test_the_parser_refuses_what_is_wrong() -> None:
    assert refused("edgekit build --target raspberrypi") is None
    assert refused("edgekit plan") is not None
    assert refused("edgekit built --target a") is not None
    assert refused("edgekit cache info now") is not None
    assert refused("edgekit build --target a --epochs 5") is not None
    assert refused("edgekit bench a.onnx --launches many") is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(DOCS)))
def test_blocks_are_what_they_are_called(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for block in python_blocks(page):
        compile(block, str(page), "exec")
    for _, block in re.findall(r"^( *)```toml\n(.*?)^ *```$", text, re.S | re.M):
        check(block)


MINIMAL = tomllib.loads(
    """
    model = { source = "network.pt2" }
    data  = { train = "train.npz", test = "test.npz" }
    """
)


def check(block: str) -> None:
    """Raise an error for keys or values that `edgekit.toml`, or `devices.toml`, does not take."""
    if block.startswith(f"# {farm.FILE}\n"):
        reader.parse(block, Path("block"), farm._File, FarmError)
    else:
        reader.parse(block, Path("block"), project._File, ProjectError, base=MINIMAL)


def test_wrong_blocks_are_found() -> None:
    with pytest.raises(ProjectError, match="epochs"):
        check("[recipe.distill]\nepocs = 3\n")
    with pytest.raises(FarmError, match="device"):
        check("# devices.toml\n[[devices]]\n")


def test_a_page_of_a_command_has_its_options_and_examples() -> None:
    page = dict(commands.pages())["commands/build.md"]
    assert "```sh\nedgekit build --target raspberrypi\n" in page
    assert "| `-t TEXT`, `--target TEXT` | Device to build for" in page
    assert "edgekit cache clean" in dict(commands.pages())["commands/index.md"]


def test_a_page_of_a_table_has_type_default_and_text_of_each_key() -> None:
    pages = dict(toml.pages())
    distill = pages["toml/recipe-distill.md"]
    assert "## epochs\n\nA whole number, at least 1. Default: `20`." in distill
    assert '`"sgd"` or `"adamw"`. Default: `"sgd"`.' in distill
    assert "At its peak; unset is 0.01 for `sgd`" in distill
    assert "`None`" not in "".join(pages.values())
    assert "## source\n\nText. **Needed.**" in pages["toml/model.md"]


def test_every_target_runtime_and_task_has_a_page() -> None:
    made = site.generated()
    shipped = [path.stem for path in (ROOT / "targets").glob("*.toml")]
    assert {f"targets/{name}.md" for name in shipped} <= set(made)
    assert {"runtimes/litert.md", "tasks/token-classification.md"} <= set(made)
    assert "| cores | 4 |" in made["targets/raspberrypi4.md"]
    assert "| cores |" not in made["targets/host.md"], "another machine has others"


def test_stale_pages_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "gone.md").write_text("an old board")
    monkeypatch.setattr(site, "DOCS", tmp_path)
    monkeypatch.setattr(site, "CONFIG", tmp_path / "mkdocs.yml")
    (tmp_path / "mkdocs.yml").write_text((ROOT / "mkdocs.yml").read_text())
    assert {"targets/gone.md", "commands/build.md"} <= set(site.stale())
    site.write()
    assert site.stale() == []
    assert not (tmp_path / "targets" / "gone.md").exists()


def test_a_table_keeps_bars_and_lines_inside_of_its_cells() -> None:
    assert markdown.table(("a",), [("x|y\nz",), ("",)]) == (
        "| a |\n|---|\n| x\\|y z |\n| – |"
    )


def test_a_figure_is_in_its_frame_and_has_a_title() -> None:
    made = plots.plot({"a": [(1, 10), (4, 25)], "b": [(2, 7)]}, "across", "up")
    assert "<title>up by across: a, b</title>" in made
    marks = [float(x) for x in re.findall(r'cx="([\d.]+)"', made)]
    assert all(plots.LEFT <= x <= plots.WIDTH - plots.RIGHT for x in marks)
    ticks = [float(t) for t in re.findall(r'text-anchor="end">([\d.]+)<', made)]
    assert ticks == sorted(ticks) and ticks[0] <= 7 and ticks[-1] >= 25
