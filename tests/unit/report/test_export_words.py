"""Every value that a record of files can have has words of its own."""

from __future__ import annotations

import typing

import pytest

from edgekit.report.export_words import incompatibility, quantized, reasons
from edgekit.report.note_words import qat_reason, sentence
from edgekit.types import QuantConfig, QuantResult, QuantTrial, SlowInInt8, export_notes
from edgekit.types.export_notes import Incompatibility, ParityFault
from edgekit.types.notes import QatReason


@pytest.mark.parametrize(
    ("owner", "field"),
    [
        (Incompatibility, "cause"),
        (Incompatibility, "fix"),
        (ParityFault, "measure"),
        (QatReason, "cause"),
    ],
)
def test_every_value_of_a_choice_has_words(owner: type, field: str) -> None:
    hints = typing.get_type_hints(owner)[field]
    values = [v for v in typing.get_args(hints) if isinstance(v, str)] or [
        v for one in typing.get_args(hints) for v in typing.get_args(one)
    ]
    assert values
    for value in values:
        if owner is QatReason:
            text = qat_reason(QatReason(cause=value, artifact="x"))
        elif owner is Incompatibility:
            given = {"cause": "operator_missing", "by": "x", "operator": "ADD"}
            known = {"version": 2, "supported": 1}
            text = incompatibility(Incompatibility(**given | known | {field: value}))
        else:
            fault = ParityFault(
                measure=value,
                value=0.5,
                limit=0.1,
                samples=1,
                metric="accuracy",
                shapes=((1,), (2,)),
            )
            text = sentence(export_notes.NotCompeting(artifacts=("x",), fault=fault))
        assert len(text) > 10
        assert "None" not in text


def test_reasons_of_several_are_sentences_and_each_is_there_once() -> None:
    out = [
        export_notes.LeftOut(
            name=name,
            runtime="litert",
            precision=None,
            refusals=(Incompatibility(cause="export_failed", by="litert", detail=why),),
        )
        for name, why in (
            ("a", "No such layer kind."),
            ("b", "No such layer kind."),
            ("c", "Crash"),
        )
    ]
    assert reasons(out) == "No such layer kind. Crash."


MIXED = QuantConfig(operators="mixed", float_operators=("a", "b"))


def test_what_stays_in_float_for_its_speed_is_named_with_its_cost() -> None:
    found = QuantResult(
        quant_config=MIXED,
        accuracy_drop=0.0,
        allowed=0.01,
        metric="accuracy",
        samples=400,
        trials=(QuantTrial(quant_config=MIXED, accuracy_drop=0.0, error=0.01),),
        slow=(
            SlowInInt8(kind="HARD_SWISH", count=9, us=784.2),
            SlowInInt8(kind="SOFTMAX", count=1),
        ),
    )
    named = "in float, where int8 is slower: 9 HARD_SWISH (784 us), 1 SOFTMAX"
    assert named in quantized(found)
