"""The page and the words of a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import OutputError
from edgekit.report.plan_page import kept, preview_page, write_preview
from edgekit.types import PlanPoint
from edgekit.types.plan import WidthRow


def point(*widths: tuple[str, int, int], blocks: tuple[str, ...] = ()) -> PlanPoint:
    return PlanPoint(
        asked="2.00x",
        speedup=2.0,
        expected_loss_increase=0.1,
        gap=0.0,
        parameters=10,
        macs=20,
        activation_bytes=30,
        dropped_blocks=blocks,
        widths=tuple(
            WidthRow(group=name, kind="channel", before=before, after=after, layers=())
            for name, before, after in widths
        ),
    )


def test_what_goes_is_named_the_most_first() -> None:
    assert kept(point()) == "nothing"
    cuts = ("a", 64, 60), ("b", 64, 16), ("c", 10, 5)
    assert kept(point(*cuts, blocks=("layer.3",))) == (
        "block layer.3; b 64 > 16; c 10 > 5; a 64 > 60"
    )
    more = [(f"g{n}", 8, 8 - n) for n in range(1, 6)]
    assert kept(point(*more)) == "g5 8 > 3; g4 8 > 4; g3 8 > 5; and 2 more groups"


def test_a_page_holds_its_own_script_and_no_markup_of_the_project(
    tmp_path: Path,
) -> None:
    write_preview("<script>x</script>", [], tmp_path / "deep" / "plan.html")
    page = (tmp_path / "deep" / "plan.html").read_text("utf-8")
    assert page == preview_page("<script>x</script>", [])
    assert "<script>x</script>" not in page
    assert "<script src=" not in page and "plotly" in page


def test_a_page_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"Cannot write .*plan\.html .*--out"):
        write_preview("net", [], tmp_path / "file" / "plan.html")
