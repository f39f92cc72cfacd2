import json
from pathlib import Path

from benchmarks.results import Table


def count(rows: list[dict[str, object]]) -> dict[str, int]:
    return {"rows": len(rows)}


def test_an_interrupted_benchmark_finds_the_rows_it_has(tmp_path: Path) -> None:
    table = Table("some", ("name", "seed"), ("numpy",), tmp_path)
    table.add({"name": "a", "seed": 0, "value": 1.0}, count)
    table.add({"name": "a", "seed": 1, "value": 2.0}, count)
    again = Table("some", ("name", "seed"), ("numpy",), tmp_path)
    assert again.find(name="a", seed=1) == {"name": "a", "seed": 1, "value": 2.0}
    assert again.find(name="b", seed=0) is None
    again.add({"name": "a", "seed": 1, "value": 3.0}, count)
    content = json.loads((tmp_path / "some.json").read_text())
    assert [row["value"] for row in content["rows"]] == [1.0, 3.0]
    assert content["summary"]["rows"] == 2
    assert {"machine", "versions", "date"} <= content["summary"].keys()
    assert "numpy" in content["summary"]["versions"]
