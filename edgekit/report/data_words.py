"""The sentence of each kind of note about the network and its data."""

from __future__ import annotations

from typing import assert_never

from edgekit.types import data_notes as kinds
from edgekit.types.data_notes import DataNote
from edgekit.types.evaluation import Score


def data_words(note: DataNote) -> str:
    """The words of a note about the network or its data, without a full stop."""
    match note:
        case kinds.WeightsUnnamed():
            return (
                f"no weights are named: {note.source} is used as it is built, with random "
                "weights unless it loads its own; name a file in [model] weights or with "
                "--weights"
            )
        case kinds.OutputsUnused():
            return (
                f"the network has {note.outputs} outputs, and the data {note.classes} "
                f"classes: outputs from {note.classes} on are never right; check [model] "
                "source and [data]"
            )
        case (
            kinds.NetworkAtChance()
            | kinds.PreprocessingSuspect()
            | kinds.ValidationFamiliar()
        ):
            return _network(note)
        case kinds.BaselineIsReference():
            return "the evaluation data have no labels: similarity is to the unpruned network"
        case kinds.SamplesTransposed():
            return (
                f"{note.origin}: samples of shape {list(note.shape)} are taken as NHWC and "
                "transposed to NCHW"
            )
        case kinds.BoxesLeftOut():
            return f"{note.origin}: {note.boxes} of {note.of} boxes have no area and are left out"
        case kinds.ImagesStretched() | kinds.ImagesConverted():
            return _images(note)
        case kinds.CalibrationShort():
            return (
                f"preset '{note.preset}' asks for {note.asked} samples; there are "
                f"{note.samples}, all of which are used"
            )
        case kinds.CalibrationRandom():
            return (
                "calibration samples are drawn at random: the calibration data have no "
                "labels"
            )
        case kinds.InputTransposed():
            return (
                f"'{note.input}' takes NHWC {list(note.artifact_shape)} where the network "
                f"takes NCHW {list(note.network_shape)}: samples were transposed for it"
            )
        case other:
            assert_never(other)


def _network(
    note: kinds.NetworkAtChance | kinds.PreprocessingSuspect | kinds.ValidationFamiliar,
) -> str:
    found = f"{named_score(note.score)} on {note.samples:,}"
    if isinstance(note, kinds.NetworkAtChance):
        return (
            f"the network has {found} samples, and guessing has {note.chance:.2%}: it is "
            "not trained, or these are not its data; check [model] weights, [data] and "
            "the order of the classes"
        )
    if isinstance(note, kinds.PreprocessingSuspect):
        return (
            f"with another preprocessing ({', '.join(note.faults)}) the network has "
            f"{named_score(note.better)} on {note.samples} samples instead of "
            f"{note.score.shown}; check [data.preprocess]"
        )
    return (
        f"the unpruned network has {found} validation samples and {note.judged.shown} on "
        f"the {note.judged_samples:,} that judge the build: it may have been trained on the "
        "former, or they are easier, and plans that were chosen by them may lose more than was "
        "expected; check that [data] validation names samples that it has never seen"
    )


def _images(note: kinds.ImagesStretched | kinds.ImagesConverted) -> str:
    if isinstance(note, kinds.ImagesStretched):
        sizes = [f"{w}x{h}" for h, w in (note.smallest, note.largest, note.size)]
        found = sizes[0] if sizes[0] == sizes[1] else f"{sizes[0]} to {sizes[1]}"
        return (
            f"{note.place}: {note.images} of {note.of} images are {found} pixels and "
            f"are stretched to the input's {sizes[2]}; right only where the network "
            "was trained on stretched images"
        )
    lost = (
        "an alpha channel, which is dropped"
        if "A" in note.mode.upper()[-1:]
        else ("other colors, which are converted without their profile")
    )
    return (
        f"{note.place}: {note.images} of {note.of} images are {note.mode}: they have "
        f"{lost}, and become {note.color}"
    )


def named_score(score: Score) -> str:
    """A metric's name and value."""
    return f"{score.metric} {score.shown}"
