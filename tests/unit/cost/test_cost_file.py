"""A cost table under damage, full disks and two writers at once."""

from __future__ import annotations

import random
import resource
from pathlib import Path

import pytest

from edgekit.cost.cost_file import CostFile
from edgekit.errors import OutputError

ONE, TWO = {"device": "a", "precision": "fp32"}, {"device": "b", "precision": "fp32"}


def rows(seed: int, count: int = 60) -> list[tuple[object, ...]]:
    draw = random.Random(seed)
    return [
        (
            f"operator {number} of some length",
            draw.random(),
            None,
            "[1.0, 2.0]",
            None,
            1.5,
        )
        for number in range(count)
    ]


def fill(folder: Path, facts: dict[str, str], seed: int) -> CostFile:
    table = CostFile(folder, facts)
    table.put("cells", rows(seed))
    table.put("networks", [("family", "[]", float(seed))])
    return table


@pytest.mark.parametrize("seed", range(120))
def test_a_damaged_table_is_never_other_data(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    tables = [fill(tmp_path, facts, n) for n, facts in enumerate((ONE, TWO))]
    draw = random.Random(seed)
    victim, other = draw.sample([table.path for table in tables], 2)
    data = bytearray(victim.read_bytes())
    at, kind = draw.randrange(len(data)), seed % 6
    if kind == 0:
        data[at] ^= 1 << draw.randrange(8)
    elif kind == 1:
        data[at : at + 16] = draw.randbytes(len(data[at : at + 16]))
    elif kind == 2:
        del data[at:]
    elif kind == 3:
        page = at // 4096 * 4096
        data[page : page + 4096] = bytes(len(data[page : page + 4096]))
    elif kind == 4:
        data = bytearray(other.read_bytes())
    else:
        data = bytearray(draw.randbytes(len(data)))
    victim.write_bytes(data)
    for number, facts in enumerate((ONE, TWO)):
        table = CostFile(tmp_path, facts)
        found = table.rows("cells")
        assert sorted(found) in ([], sorted(rows(number)))
        assert table.networks("family") == ([("[]", float(number))] if found else [])
        assert bool(found) == (
            table.path not in {Path(r.args[0]) for r in caplog.records}
        )
    fill(tmp_path, ONE, 0)
    caplog.clear()
    assert sorted(CostFile(tmp_path, ONE).rows("cells")) == sorted(rows(0))
    assert not caplog.records


def test_one_value_changed_with_sqlite_itself_is_noticed(tmp_path: Path) -> None:
    import sqlite3

    table = fill(tmp_path, ONE, 0)
    with sqlite3.connect(table.path) as connection:
        connection.execute("UPDATE cells SET cost = cost * 1.01 WHERE rowid = 7")
    connection.close()
    assert CostFile(tmp_path, ONE).rows("cells") == []


def test_two_builds_fill_one_table(tmp_path: Path) -> None:
    first, second = CostFile(tmp_path, ONE), CostFile(tmp_path, ONE)
    first.put("cells", rows(0)[:30])
    second.put("cells", rows(0)[30:])
    assert sorted(CostFile(tmp_path, ONE).rows("cells")) == sorted(rows(0))


def test_a_full_disk_is_named_and_what_was_there_stays(tmp_path: Path) -> None:
    table = fill(tmp_path, ONE, 0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (table.path.stat().st_size + 4096, before[1])
    )
    try:
        with pytest.raises(
            OutputError, match=f"cost tables in {tmp_path} .*EDGEKIT_CACHE"
        ):
            table.put(
                "cells",
                [(f"new {n}" * 50, 1.0, None, "[]", None, None) for n in range(500)],
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(CostFile(tmp_path, ONE).rows("cells")) == sorted(rows(0))
    assert [path.name for path in tmp_path.iterdir()] == [table.path.name]
