"""The page of the report."""

import dataclasses
import json

import pytest
from plotly.offline import get_plotlyjs

from edgekit import report as reporting
from edgekit.types import Drawing, DrawnBox, DrawnMask, DrawnPicture
from tests import reports


@pytest.fixture
def report():
    return reports.report()


def test_both_files_are_written_and_the_page_holds_its_own_script(report, tmp_path):
    paths = reporting.write(report, tmp_path / "new")
    assert [path.name for path in paths] == ["report.json", "report.html"]
    assert json.loads(paths[0].read_text()) == reporting.to_json(report)
    page = paths[1].read_text()
    assert get_plotlyjs() in page
    ours = page.replace(get_plotlyjs(), "")
    assert "http" not in ours
    assert len(ours) < 200_000


def test_names_from_outside_cannot_inject_markup(report):
    evil = "</script><script>alert(1)</script>"
    row = dataclasses.replace(report.operators[0], name=evil)
    page = reporting.to_html(
        dataclasses.replace(report, project=evil, operators=(row,))
    )
    assert evil not in page


def test_boxes_are_drawn_over_each_sample_in_a_color_a_class(report):
    boxes = tuple(
        DrawnBox(box=(1, 2, 11, 22), label=label, score=0.5) for label in ("dog", "<b>")
    )
    drawn = (
        Drawing(name="the data", boxes=()),
        Drawing(name="x-int8", boxes=boxes),
    )
    picture = DrawnPicture(jpeg="QUJD", width=40, height=30, drawn=drawn)
    page = reporting.to_html(dataclasses.replace(report, pictures=(picture,)))
    assert page.count('href="data:image/jpeg;base64,QUJD"') == 2
    assert 'class="box1" x="1" y="2" width="10" height="20"' in page
    assert 'class="box0"' in page and "<b> 0.5" not in page
    assert "x-int8: 2" in page and "the data: 0" in page
    assert "few evaluation samples" not in reporting.to_html(report)


def test_masks_and_points_are_drawn_over_pictures() -> None:
    mask = DrawnMask(png="UE5H", classes=("disc", "<box>"))
    drawn = (
        Drawing(name="the data", mask=mask),
        Drawing(name="the network", mask=DrawnMask(png="UE5H", classes=())),
        Drawing(name="the student", points=((2.0, 3.5),)),
    )
    picture = DrawnPicture(jpeg="QUJD", width=100, height=30, drawn=drawn)
    page = reporting.to_html(dataclasses.replace(reports.report(), pictures=(picture,)))
    assert page.count('href="data:image/png;base64,UE5H" width="100" height="30"') == 2
    assert 'aria-label="the data: disc, &lt;box&gt;"' in page
    assert "the network: nothing" in page
    assert 'aria-label="the student: 1 point"' in page
    assert '<circle class="box0" cx="2.0" cy="3.5" r="2.0"/>' in page
