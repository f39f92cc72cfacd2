"""Decoders as a task names them."""

from __future__ import annotations

import pytest

from edgekit.errors import UsageError
from edgekit.tasks import decoding
from edgekit.tasks.losses import BoxForm
from edgekit.types import BoxDecoder, TaskSpec


def test_a_manifest_has_what_the_device_needs() -> None:
    spec = TaskSpec(kind="detection", decoder="ssd", background=2)
    found = decoding.described(spec)
    assert found is not None
    assert (found["head"], found["background"], found["most"]) == ("ssd", 2, 100)
    assert decoding.described(TaskSpec(kind="detection")) is None
    own = TaskSpec(kind="detection", decoder="decode.py:boxes")
    assert decoding.described(own) is None


def test_the_form_of_outputs_follows_the_head() -> None:
    def form(head: str, background: int | None = None) -> BoxForm:
        spec = TaskSpec(kind="detection", decoder=head, background=background)
        return decoding.form(spec)

    assert form("dfl") == BoxForm(bins=16)
    assert form("detr") == BoxForm(scores="softmax", background=-1, sides="centers")
    assert form("yolov5").sides == "centers" and form("boxes").sides == "corners"
    assert form("ssd", 3) == BoxForm(scores="softmax", background=3)
    assert form("yolov10") == BoxForm(scores="probabilities", listed=True)
    assert form("decode.py:boxes") == BoxForm()


def test_a_head_that_is_not_known() -> None:
    with pytest.raises(UsageError, match="Known: boxes, box-fractions"):
        decoding.check(BoxDecoder(head="mine"))
    decoding.check(BoxDecoder(head="decode.py:boxes"))
