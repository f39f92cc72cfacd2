"""A few mutations of every kind of file; `make fuzz` tries hundreds."""

from __future__ import annotations

import pytest

from tests.robustness.fuzz import fuzz, main
from tests.robustness.readers import KINDS, Kind


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_damage_is_refused_in_one_line_or_read(kind: Kind) -> None:
    if kind.missing:
        pytest.skip(kind.missing)
    tries = 2 if kind.slow else 8
    found = fuzz(kind, tries, seed=1)
    assert found.sound, found.faults
    assert found.counts["refused"] + found.counts["loaded"] == tries


def test_an_unknown_kind_is_refused_with_those_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["fuzz", "--only", "npz", "--only", "unknownkind"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "no kind unknownkind; there are npz, npy, " in capsys.readouterr().err
