"""Tables without a runtime: estimates, units, and what is kept of what."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.cost import doubt, microbenchmark
from edgekit.cost import table as cost_table
from edgekit.cost.measure import ANCHOR, NOTHING, Fill, OperatorCost
from edgekit.cost.network_model import Sample
from edgekit.cost.power import Metered
from edgekit.cost.table import CostTable, TableState
from edgekit.devices.local import LocalDevice
from edgekit.errors import DeviceError, OutputError
from edgekit.store import Json
from edgekit.types import Provenance
from edgekit.types.measurement_notes import OperatorsUnmetered
from edgekit.types.notes import CostsTimedBusy
from edgekit.types.operator_shape import OperatorShape
from tests.unit.cost.tables import CONV, KEY, table


def test_an_estimate_rounds_widths_up_to_the_tile(tmp_path: Path) -> None:
    costs = table(tmp_path)
    expected = [replace(CONV, outputs=width) for width in (8, 10, 16)]
    assert costs.measure(expected, None) > 0
    eight, ten, sixteen = (costs.cost(operator) for operator in expected)
    moved = 64 * (16 + 10)
    empty = costs.empty_call
    assert ten == 64 * 16 * 16 + moved - empty
    assert eight < ten < sixteen < 1.1 * ten


@pytest.mark.parametrize(
    ("provenance", "unit"),
    [
        ("device", "us"),
        ("host", "us"),
        ("counted", "instructions"),
        ("estimated", "operations"),
    ],
)
def test_a_source_has_its_unit(
    tmp_path: Path, provenance: Provenance, unit: str
) -> None:
    assert table(tmp_path, provenance).unit == unit


def test_what_must_run_somewhere_is_not_made_up(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="'host' need a device"):
        table(tmp_path, "host").measure([CONV], None)
    assert CONV not in table(tmp_path, "host")


def test_a_file_states_what_its_figures_are(tmp_path: Path) -> None:
    costs = table(tmp_path)
    with sqlite3.connect(costs.path) as rows:
        facts = dict(rows.execute("SELECT name, value FROM facts"))
    assert facts == {
        **{k: str(v) for k, v in vars(KEY).items()},
        "provenance": "estimated",
        "models": microbenchmark.VERSION,
    }


def test_the_tolerance_follows_how_well_cells_repeat(tmp_path: Path) -> None:
    costs = table(tmp_path, "host")
    assert costs.repeatability is None
    assert costs.tolerance == 0.02
    noisy = {str(n): OperatorCost(cost=10, rounds=(13.0, 10.0, 10.2)) for n in range(3)}
    costs._record(noisy)
    again = table(tmp_path, "host")
    assert again.repeatability == pytest.approx(0.02)
    assert again.tolerance == pytest.approx(0.04)
    costs._record(
        {str(n): OperatorCost(cost=10, rounds=(15.0, 10.0)) for n in range(9)}
    )
    assert costs.tolerance == 0.05


def test_energy_is_the_power_that_was_metered_times_the_time(tmp_path: Path) -> None:
    costs = table(tmp_path, "host")
    wide, between = replace(CONV, outputs=40), replace(CONV, outputs=20)
    other = OperatorShape(kind="linear", inputs=20, outputs=10)
    costs._record(
        {
            NOTHING.key: OperatorCost(cost=2, rounds=()),
            CONV.key: OperatorCost(cost=12, rounds=()),
            between.key: OperatorCost(cost=22, rounds=()),
            wide.key: OperatorCost(cost=42, rounds=()),
            other.key: OperatorCost(cost=7, rounds=()),
        }
    )
    assert costs.energy_mj(CONV) is None
    assert costs.metered == 0
    watts = {CONV: 3.0, wide: 5.0}
    costs._record_energy(Metered(watts=watts, meter="rapl", boundary="package"))
    again = table(tmp_path, "host")
    assert (again.metered, again.meter, again.boundary) == (2, "rapl", "package")
    assert again.energy_mj(CONV) == pytest.approx(0.01 * 3)
    assert again.energy_mj(wide) == pytest.approx(0.04 * 5)
    beside = again.energy_mj(between)
    assert beside is not None
    assert 0.02 * 3.5 < beside < 0.02 * 4.5
    assert again.energy_mj(other) == pytest.approx(0.005 * 4)  # the median's power
    again._forget_energy()
    assert table(tmp_path, "host").metered == 0
    assert again.energy_mj(CONV) is None


def test_what_is_counted_has_no_power(tmp_path: Path) -> None:
    said = table(tmp_path, "counted").meter_power([CONV], LocalDevice())
    kind = "costs_without_power"
    assert said == OperatorsUnmetered(kind=kind, value="instructions")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "costs").write_text("a file in the way")
    with pytest.raises(OutputError, match="Set EDGEKIT_CACHE"):
        table(tmp_path)


def test_networks_of_builds_before_are_explained_by_cells_that_are_missing(
    tmp_path: Path,
) -> None:
    """A cell that followed from its neighbors is not on disk; a network of its operators is."""
    costs = table(tmp_path)
    seen = Sample(operators=(CONV, replace(CONV, outputs=3)), cost=1000.0)
    costs.correct([seen, replace(seen, operators=(CONV,), cost=700.0)], None)
    assert costs.cost(CONV) > 0


def cell(cost: float, *rounds: float, anchor: float = 10.0) -> OperatorCost:
    return OperatorCost(cost=cost, rounds=(cost, *rounds), anchor=anchor)


def timed(number: int) -> OperatorShape:
    return replace(CONV, outputs=number)


def test_a_cell_beside_a_slow_anchor_or_of_rounds_that_do_not_repeat_is_doubtful() -> (
    None
):
    assert not doubt.doubtful(cell(20, 20.4, 31), 10.0)
    assert doubt.doubtful(cell(20, 23, 31), 10.0)
    assert doubt.doubtful(cell(20, 20.4, anchor=12.0), 10.0)
    assert not doubt.doubtful(cell(20, 20.4, anchor=11.0), 10.0)
    assert not doubt.doubtful(OperatorCost(cost=20, rounds=()), None)


def test_a_cell_of_a_process_with_less_than_a_processor_is_doubtful() -> None:
    alone = replace(cell(20, 20.1), fraction=0.98)
    assert not doubt.doubtful(alone, 10.0)
    shared = replace(alone, fraction=0.67)
    assert doubt.doubtful(shared, 10.0)
    assert not doubt.unsteady(shared, 10.0)  # measuring at once again would not help


def test_a_table_filled_under_load_states_so_and_is_filled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded timings: the machine is busy for two builds and at rest for the third."""
    batches: list[list[str]] = []

    def machine(slower: float) -> Fill:
        def fill(batch: Sequence[OperatorShape]) -> dict[str, OperatorCost]:
            batches.append([o.key for o in batch])
            costs = {o.key: slower * (10 if o == ANCHOR else o.outputs) for o in batch}
            return {
                k: OperatorCost(cost=v, rounds=(v, 1.01 * v)) for k, v in costs.items()
            }

        return fill

    def build(slower: float) -> CostTable:
        monkeypatch.setattr(cost_table, "measure", lambda *_: machine(slower))
        costs = table(tmp_path, "host")
        costs.measure([timed(100), timed(200)], None)
        return costs

    first = build(1.6)
    assert first.doubt is None  # steadily slow, and nothing yet to compare it with
    monkeypatch.setattr(cost_table, "measure", lambda *_: machine(1.0))
    first.measure([timed(300)], None)
    assert first.doubt == CostsTimedBusy(doubtful=3, operators=4, runtime="litert")
    assert first.cost_alone(timed(100)) == pytest.approx(160 - 1.6)
    batches.clear()
    busy = build(1.5)
    assert len(batches) == 2 and timed(300).key not in batches[0]
    assert busy.doubt is not None
    calm = build(1.0)
    assert calm.doubt is None
    assert calm.cost_alone(timed(100)) == pytest.approx(100 - 1)
    batches.clear()
    assert build(1.0).doubt is None
    assert batches == []


@pytest.mark.parametrize(("noisy", "doubted"), [(2, False), (3, True)])
def test_rounds_that_do_not_repeat_are_doubted_with_nothing_to_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noisy: int, doubted: bool
) -> None:
    def fill(batch: Sequence[OperatorShape]) -> dict[str, OperatorCost]:
        late = {o.key for o in batch if o.kind == "conv" and o.outputs <= noisy}
        seconds = {o.key: 14.0 if o.key in late else 10.2 for o in batch}
        return {
            k: OperatorCost(cost=10, rounds=(10, late)) for k, late in seconds.items()
        }

    monkeypatch.setattr(cost_table, "measure", lambda *_: fill)
    costs = table(tmp_path, "host")
    # Families of their own, so that none follows from its neighbors.
    expected = [replace(CONV, outputs=n, size=(n, n)) for n in range(1, 25)]
    costs.measure(expected, None)
    assert (costs.doubt is not None) == doubted


def test_a_table_of_another_form_is_filled_again(tmp_path: Path) -> None:
    """Its rows agree with no digest, so that nobody can vouch for them."""
    costs = table(tmp_path, "host")
    costs._record({CONV.key: cell(10, 10.1)})
    with sqlite3.connect(costs.path) as rows:
        rows.execute("ALTER TABLE cells DROP COLUMN anchor")
        rows.execute("ALTER TABLE cells DROP COLUMN fraction")
    again = table(tmp_path, "host")
    assert CONV not in again and again.doubt is None
    again._record({CONV.key: cell(9, 9.1)})
    assert table(tmp_path, "host").cost_alone(CONV) == 9


def test_a_restored_table_is_as_it_was_whatever_was_measured_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[str]] = []

    def machine(slower: float) -> Fill:
        def fill(batch: Sequence[OperatorShape]) -> dict[str, OperatorCost]:
            batches.append([o.key for o in batch if o != ANCHOR])
            costs = {o.key: slower * (10 if o == ANCHOR else o.outputs) for o in batch}
            return {
                k: OperatorCost(cost=v, rounds=(v, 1.5 * v)) for k, v in costs.items()
            }

        return fill

    def at(slower: float) -> None:
        monkeypatch.setattr(cost_table, "measure", lambda *_: machine(slower))

    at(1.0)
    first, asked = table(tmp_path, "host"), [timed(100), timed(200)]
    first.measure(asked, None)
    networks = [Sample(operators=tuple(asked), cost=400.0)] * 2
    first.correct(networks, None, "family")
    state, costs = first.state(), [first.cost(one) for one in asked]
    text = Json[TableState](TableState)
    text.write(state, tmp_path)
    first.measure([timed(300), timed(400)], None)
    tolerance = table(tmp_path, "host").tolerance

    at(2.0)
    batches.clear()
    again = table(tmp_path, "host")
    again.restore(text.read(tmp_path))
    again.measure(asked, None)
    assert again.networks("family") == networks
    again.correct(again.networks("family"), None, "family")
    assert [again.cost(one) for one in asked] == costs
    assert len(again) < 6
    assert again.tolerance == tolerance
    again.measure([timed(300)], None)  # measured since: taken from disk
    assert batches == []
    again.measure([timed(500)], None)
    assert batches[0] == [timed(500).key]


def test_when_time_is_over_the_ends_are_still_measured_and_the_rest_interpolated(
    tmp_path: Path,
) -> None:
    lines = [
        replace(CONV, inputs=inputs, outputs=outputs)
        for inputs in (8, 64)
        for outputs in range(8, 65)
    ]
    hurried, whole = table(tmp_path / "a"), table(tmp_path / "b")
    few = hurried.measure(lines, None, deadline=0.0)
    assert 0 < few < whole.measure(lines, None)
    assert hurried.interpolated == len(lines) - 4 and whole.interpolated == 0
    for end in (lines[0], lines[56], lines[57], lines[-1]):
        assert hurried.cost_alone(end) == whole.cost_alone(end)
    middle = replace(
        CONV, inputs=64, outputs=32
    )  # estimates are a line with steps of 8
    assert hurried.cost_alone(middle) == pytest.approx(
        whole.cost_alone(middle), rel=0.2
    )
    later = table(tmp_path / "a")
    later.measure(lines, None)  # what was interpolated is not kept
    assert later.cost_alone(middle) == whole.cost_alone(middle)
