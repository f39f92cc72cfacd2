"""The further examples: their READMEs are right about their teachers and their data."""

from __future__ import annotations

import re
import runpy

import numpy as np
import pytest

from edgekit import data, sources
from edgekit.config import project
from edgekit.config.resources import shipped
from edgekit.data import Dataset
from edgekit.data.metrics import named
from edgekit.evaluate.accuracy import predict
from edgekit.tasks.reading import selected

STATED = re.compile(
    r"test (accuracy|mean IoU|mAP50-95|symbol error rate) ([\d.]+)% of (\d+)"
)
PARAMETERS = re.compile(r"([\d,]+) parameters")


def read(example: project.Project, spec: str) -> Dataset:
    assert example.model.input is not None
    return data.load(
        spec,
        root=example.root,
        input=example.model.input,
        preprocess=example.data.preprocess,
        kind=example.task.kind,
    )


@pytest.mark.parametrize(
    ("name", "megabytes"),
    [
        ("sound", 1.6),
        ("text", 1.6),
        ("segment", 1.6),
        ("ocr", 1.8),
        pytest.param("detect", 4.5, marks=pytest.mark.slow),
    ],
)
def test_teacher_is_as_good_as_stated_on_samples_it_never_saw(
    name: str, megabytes: float
) -> None:
    if name == "detect":
        pytest.importorskip("faster_coco_eval")
    example = project.load(shipped(f"examples/{name}"))
    readme = (example.root / "README.md").read_text()
    metric, percent, count = STATED.findall(readme)[0]
    teacher = selected(sources.load(example.model, root=example.root), example.task)
    test = read(example, example.data.test)
    measure = named(example.task, example.root)
    found = measure(predict(teacher, test), test.targets)
    assert (found.metric, found.samples) == (metric, int(count))
    assert found.value == pytest.approx(float(percent) / 100, abs=0.004)
    weights = sum(p.numel() for p in teacher.module.parameters())
    assert {int(n.replace(",", "")) for n in PARAMETERS.findall(readme)} == {weights}
    trained = {x.tobytes() for x in read(example, example.data.train).arrays()[0]}
    assert not [x for x in test.arrays()[0] if x.tobytes() in trained]
    files = [path for path in example.root.rglob("*") if path.is_file()]
    files = [path for path in files if not {"build", "__pycache__"} & {*path.parts}]
    assert sum(path.stat().st_size for path in files) < megabytes * 1e6


def test_no_voice_both_trains_and_tests() -> None:
    prepare = runpy.run_path(str(shipped("examples/sound") / "prepare.py"))
    for kind in ("VARIANTS", "FLITE"):
        train, test = (set(prepare[f"{part}_{kind}"]) for part in ("TRAIN", "TEST"))
        assert train and test and not train & test


def test_no_voice_both_trains_and_selects_the_epoch() -> None:
    folder = shipped("examples/sound")
    loader = runpy.run_path(str(folder / "loader.py"))
    with np.load(folder / "train.npz") as archive:
        recordings = [x.tobytes() for x in archive["x"]]
        voice = dict(zip(recordings, archive["voice"], strict=True))
    parts = [loader[part]()[0] for part in ("recordings", "validation")]
    train, held = ({voice[x.tobytes()] for x in part} - {""} for part in parts)
    assert len(held) > 5 and not train & held
    assert sum(map(len, parts)) == len(recordings)


def test_a_digits_pixels_are_its_mask() -> None:
    loader = runpy.run_path(str(shipped("examples/segment") / "loader.py"))
    pixels, masks = loader["images"]("test", 40, 7)
    again = loader["images"]("test", 40, 7)
    assert np.array_equal(pixels, again[0]) and np.array_equal(masks, again[1])
    assert pixels.shape == (40, 3, *masks.shape[1:])
    assert set(np.unique(masks)) == {0, 1}
    # Ink differs from its neighborhood at the edge of a digit by the mask.
    across = np.abs(np.diff(pixels.astype(int), axis=3)).mean(1)
    edge = np.diff((masks > 0).astype(int), axis=2) != 0
    assert across[edge].mean() > 3 * across[~edge].mean()


def test_a_lines_classes_are_its_digits_from_left_to_right() -> None:
    loader = runpy.run_path(str(shipped("examples/ocr") / "loader.py"))
    pixels, classes = loader["train"](60, 3)
    again = loader["train"](60, 3)
    assert np.array_equal(pixels, again[0]) and np.array_equal(classes, again[1])
    held_out, _ = loader["test"](60)
    assert not {x.tobytes() for x in held_out} & {x.tobytes() for x in pixels}
    lengths = (classes >= 0).sum(1)
    assert set(lengths) == set(range(2, 8))
    assert classes.max() == 10 and classes[classes >= 0].min() == 1
    # The more digits, the more of a line's columns have ink.
    columns = (pixels[:, 0].max(1) - np.median(pixels[:, 0], (1, 2))[:, None]) > 80
    assert np.corrcoef(columns.sum(1), lengths)[0, 1] > 0.9
