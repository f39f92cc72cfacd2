"""Records of faults and doubts come back from JSON as they were."""

from __future__ import annotations

import dataclasses
import json

import pytest
from pydantic import TypeAdapter

from edgekit.types import Measurement
from edgekit.types import measurement_notes as kinds
from edgekit.types.measurement_notes import IdleDrifted
from tests import reports
from tests.unit.report.test_measurement_words import ENERGIES, FAULTS


def test_the_drift_is_of_the_higher_power() -> None:
    assert IdleDrifted(before_w=2.0, after_w=1.5, limit=0.05).drift == 0.25
    assert IdleDrifted(before_w=1.5, after_w=2.0, limit=0.05).drift == 0.25


def test_a_measurement_with_every_kind_comes_back_from_json() -> None:
    adapter: TypeAdapter[Measurement] = TypeAdapter(Measurement)
    measured = reports.report().candidates[0].measurement
    unready = tuple(one for one, _ in FAULTS if isinstance(one, kinds.Unready))
    full = dataclasses.replace(
        measured,
        invalid=tuple(one for one, _ in FAULTS),
        conditions=dataclasses.replace(measured.conditions, unready=unready),
        energy=dataclasses.replace(
            measured.energy, reasons=tuple(one for one, _ in ENERGIES)
        ),
    )
    text = json.dumps(adapter.dump_python(full, mode="json"))
    assert adapter.validate_json(text) == full
    written = json.loads(text)
    for one in (*written["invalid"], *written["energy"]["reasons"]):
        assert "kind" in one


@pytest.mark.parametrize("name", vars(kinds))
def test_a_record_has_its_kind(name: str) -> None:
    one = getattr(kinds, name)
    if isinstance(one, type) and dataclasses.is_dataclass(one):
        assert dataclasses.fields(one)[0].name == "kind"
