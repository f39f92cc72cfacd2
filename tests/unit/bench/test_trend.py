"""Reports in the order of time: from a folder, and from commits."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edgekit.bench import history, trend
from edgekit.errors import UsageError
from edgekit.report import to_json
from edgekit.types import Artifact
from tests.reports import report
from tests.unit.bench.test_gate import measurement


def document(created: str, size: float = 1.0) -> dict[str, Any]:
    """A build's report in which every artifact has `size` MiB."""
    made = to_json(report())
    made["created"] = created
    made["environment"]["device cpu"] = "AMD EPYC 9B14"
    for one in made["candidates"]:
        one["measurement"]["size_mb"] = size
    return made


def run(file: Path) -> None:
    """A file of `edgekit bench --out`."""
    model = file.with_name("m.onnx")
    model.write_bytes(b"1234")
    artifact = Artifact(
        name="m",
        runtime="onnxruntime",
        precision=None,
        files=(model,),
        inputs=(),
        outputs=(),
    )
    history.write(file, history.document(artifact, measurement(), tier="quick"))


def test_a_folder_gives_its_reports_the_oldest_first(tmp_path: Path) -> None:
    for name, day in (("new", 3), ("old", 1)):
        (tmp_path / name).mkdir()
        text = json.dumps(document(f"2026-11-0{day}T00:00:00+00:00", size=day))
        (tmp_path / name / "report.json").write_text("\ufeff" + text)
    (tmp_path / "package.json").write_text('{"name": "other"}')
    (tmp_path / "list.json").write_text("[1, 2]")
    run(tmp_path / "run.json")
    found = trend.from_folder(tmp_path)
    assert [one.label for one in found] == [
        "old/report.json",
        "new/report.json",
        "run.json",
    ]
    [chosen] = [one for one in found[0].artifacts if one.chosen]
    given = report().chosen
    assert given is not None
    assert (chosen.artifact, chosen.size_mb) == (given.artifact.name, 1)
    assert chosen.p50_ms == given.measurement.latency.p50_ms
    assert chosen.score is not None
    assert chosen.score.value == given.evaluation.value
    assert (chosen.project, chosen.target) == ("digits", report().target.name)
    assert chosen.machine == "AMD EPYC 9B14"
    assert found[2].artifacts[0].p50_ms == measurement().latency.p50_ms


def test_a_report_of_an_older_schema_is_read(tmp_path: Path) -> None:
    made = document("2026-01-01T00:00:00+00:00")
    made["schema_version"] = 1
    del made["verdicts"], made["notes"], made["environment"]
    file = tmp_path / "report.json"
    file.write_text(json.dumps(made))
    [entry] = trend.from_folder(file)
    assert entry.label == "report.json" and len(entry.artifacts) == 6 - 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "broken.json"),
        ('{"created": 5, "candidates": [], "target": {"name": "x"}}', "created"),
        (
            '{"created": "x", "artifact": {"name": "m"}, "measurement": 3}',
            "broken.json",
        ),
    ],
)
def test_a_damaged_report_is_named(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "broken.json").write_text(content)
    for place in (tmp_path, tmp_path / "broken.json"):
        with pytest.raises(UsageError, match=words):
            trend.from_folder(place)


def test_a_place_without_a_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no report in"):
        trend.from_folder(tmp_path)
    with pytest.raises(UsageError, match="Cannot read"):
        trend.from_folder(tmp_path / "gone.json")
    (tmp_path / "other.json").write_text('{"name": "other"}')
    with pytest.raises(UsageError, match=r"Give report\.json of a build"):
        trend.from_folder(tmp_path / "other.json")


def git(folder: Path, *words: str) -> None:
    own = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *own, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    """A repository whose report grew in three commits, was moved away and came back."""
    git(tmp_path, "init", "-q")
    file = tmp_path / "out" / "report.json"
    file.parent.mkdir()
    for size in (1, 2, None, 3):
        if size is None:
            file.unlink()
        else:
            text = json.dumps(document("2026-11-01T00:00:00+00:00", size=size))
            file.write_text(text)
        (tmp_path / "other.txt").write_text(f"{size}")
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-qm", f"size {size}")
    (tmp_path / "other.txt").write_text("again")
    git(tmp_path, "commit", "-qam", "nothing about the report")
    return file


def test_commits_give_the_report_as_it_was(committed: Path) -> None:
    for place in (committed, committed.parent):
        found = trend.from_commits(place, revisions=None, last=9)
        assert [one.title for one in found] == ["size 1", "size 2", "size 3"]
        assert [one.artifacts[0].size_mb for one in found] == [1, 2, 3]
    [last] = trend.from_commits(committed, revisions=None, last=1)
    assert last.title == "size 3"
    some = trend.from_commits(committed, revisions="HEAD~4..HEAD~2", last=9)
    assert [one.title for one in some] == ["size 2"]


def test_what_git_cannot_give_is_named(committed: Path, tmp_path: Path) -> None:
    for place, revisions, words in (
        (committed, "no-such-branch", "git cannot read"),
        (committed, "--output=x", "begins with '-'"),
        (tmp_path / "never.json", None, "No commit has a report"),
        (Path("/proc/never.json"), None, "git cannot read"),
    ):
        with pytest.raises(UsageError, match=words):
            trend.from_commits(place, revisions=revisions, last=5)
    assert not (tmp_path / "x").exists()
