"""Output of `edgekit diff`, in one line and on a terminal."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from edgekit.report.diff_words import show, summary
from edgekit.types import Parity
from edgekit.types.data_notes import InputTransposed
from edgekit.types.diff import (
    Counts,
    Diff,
    Distance,
    Divergence,
    OutputDiff,
    PreprocessingDiff,
    PreprocessingEvidence,
)
from edgekit.types.export_notes import ParityFault

FAR = Distance(relative_error=0.3, cosine=0.9, sqnr_db=10.0, largest=1.0)
OUTPUT = OutputDiff(
    name="logits",
    distance=FAR,
    parity=Parity(relative_error=0.3, agreement=0.5, samples=10),
    fault=ParityFault(measure="relative_error", value=0.3, limit=0.001, samples=10),
)
FOUND = Diff(
    artifact="model.onnx",
    reference="student.pt2",
    runtime="onnxruntime",
    device="local",
    precision="fp32",
    samples=10,
    samples_traced=4,
    tolerance=0.001,
    agrees=False,
    outputs=(OUTPUT,),
    divergence=Divergence(
        operator="/head/Gemm",
        kind="Gemm",
        layer="head",
        node="linear",
        distance=FAR,
        after="/stem/Relu",
    ),
    preprocessing=(),
    layers=(),
    unmatched=0,
    probing=0.0,
    counts=(Counts(sort="transposes", network=0, file=2, executed=None),),
    off_path=None,
    notes=(
        InputTransposed(input="x", artifact_shape=(8, 8, 3), network_shape=(3, 8, 8)),
    ),
)
WRONG = PreprocessingDiff(
    where="fed",
    faults=("BGR",),
    evidence=PreprocessingEvidence(kind="values"),
    error_before=0.5,
    error_after=0.0,
)


def shown(found: Diff) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    show(found, console)
    return console.export_text()


def test_one_line_names_the_first_operator_and_the_tolerance() -> None:
    assert summary(FOUND) == (
        "model.onnx is not student.pt2: Gemm '/head/Gemm', layer head, is the first operator "
        "that departs. model.onnx differs from the network by 0.3 of its largest output on "
        "10 samples, 0.001 allowed."
    )


def test_right_outputs_leave_what_the_application_feeds() -> None:
    right = replace(FOUND, outputs=(replace(OUTPUT, fault=None),))
    assert right.outputs_agree
    assert summary(replace(right, preprocessing=(WRONG,))) == (
        "model.onnx is student.pt2, but the application feeds it BGR."
    )
    exact = replace(WRONG, faults=(), error_before=0.001)
    assert not exact.differs and WRONG.differs


def test_the_terminal_has_the_verdict_the_counts_and_the_notes() -> None:
    text = shown(FOUND)
    assert "model.onnx (onnxruntime, fp32) diverges from student.pt2" in text
    assert "transposes: 2 in the file, 0 in the network, 2 inserted" in text
    assert "samples were transposed for it" in text
    agreeing = replace(FOUND, outputs=(replace(OUTPUT, fault=None),))
    assert "agrees with student.pt2" in shown(agreeing)
