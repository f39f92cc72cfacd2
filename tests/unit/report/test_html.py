"""The page of the report."""

import dataclasses
import json

import pytest
from plotly.offline import get_plotlyjs

from edgekit import report as reporting
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
