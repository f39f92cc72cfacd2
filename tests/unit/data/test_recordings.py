"""Folders of recordings."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from edgekit.agent.serving import sound
from edgekit.data import Dataset, memory, recordings, splits
from edgekit.errors import DataError
from edgekit.types import AudioSpec, InputSpec, Preprocess
from tests.unit.agent.serving.test_sound import noise, stored
from tests.unit.data.test_load import failure, load

AUDIO = AudioSpec(rate=8000, window=200, hop=80, bands=24)
SHAPE = (24, 30)
HOW: dict[str, Any] = {
    "input": InputSpec(shape=SHAPE),
    "preprocess": Preprocess(scale=1, audio=AUDIO),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two words by two speakers."""
    for word, pitch in (("no", 1.0), ("yes", 2.0)):
        (tmp_path / "set" / word).mkdir(parents=True)
        for speaker in "ab":
            samples = np.sin(np.arange(3000) * pitch) * 0.1
            (tmp_path / f"set/{word}/{speaker}_1.wav").write_bytes(stored(samples))
    return tmp_path


def test_class_folders_of_recordings(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = load("set", folder, **HOW)
    assert held.labels == ("no", "yes") and held.targets.tolist() == [0, 0, 1, 1]
    x, _ = held.arrays()
    assert x.shape == (4, *SHAPE) and not held.columns[0].samples.by_workers
    samples, _ = sound.read_wave((folder / "set/yes/a_1.wav").read_bytes())
    expected = sound.features(samples, vars(AUDIO), SHAPE)
    np.testing.assert_allclose(x[2], expected, rtol=1e-5)
    monkeypatch.setattr(memory, "MEMORY", 0)
    stored_set = load("set", folder, **HOW)
    assert stored_set.columns[0].samples.by_workers
    np.testing.assert_array_equal(stored_set.arrays()[0], x)
    assert stored_set.fingerprint() == held.fingerprint()
    other = Preprocess(
        scale=1, audio=AudioSpec(rate=8000, window=200, hop=80, bands=24, low_hz=50)
    )
    assert (
        load("set", folder, **(HOW | {"preprocess": other})).fingerprint()
        != held.fingerprint()
    )


def test_other_rates_are_resampled(folder: Path) -> None:
    """A tone of 400 Hz keeps its band."""
    for name, rate in (("low", 8000), ("high", 44_100)):
        wave = 0.3 * np.sin(2 * np.pi * 400 * np.arange(rate // 2) / rate)
        (folder / "loose").mkdir(exist_ok=True)
        (folder / f"loose/{name}.wav").write_bytes(stored(wave, rate=rate))
    found = load("loose", folder, **HOW)
    assert not found.labeled
    high, low = found.arrays()[0][:, :, 5:25]
    np.testing.assert_allclose(high.max(0), low.max(0), atol=0.5)
    assert (high.argmax(0) == low.argmax(0)).all()


def test_speakers_are_groups(folder: Path) -> None:
    found = splits.by_path(load("set", folder, **HOW), "([ab])_1", "set")
    assert isinstance(found, Dataset)
    assert found.groups is not None and found.groups.tolist() == list("abab")


def test_all_that_cannot_be_read_are_named(folder: Path) -> None:
    (folder / "set/no/a_1.wav").write_bytes(b"RIFF")
    (folder / "set/yes/b_1.wav").write_bytes(b"")
    message = failure("set", folder, **HOW)
    assert "Cannot read 2 recordings: a_1.wav (" in message and "; b_1.wav (" in message
    (folder / "set/no/loose.flac").write_bytes(b"fLaC")
    if recordings._soundfile() is None:
        assert "pip install soundfile" in failure("set", folder, **HOW)


def test_recordings_need_what_is_heard_of_them(folder: Path) -> None:
    message = failure("set", folder, input=InputSpec(shape=SHAPE))
    assert '[data.preprocess.audio] form = "log-mel"' in message
    wrong = {**HOW, "input": InputSpec(shape=(23, 30))}
    with pytest.raises(
        DataError, match=r"does not fit \[model\] input: log-mel of 24 rows"
    ):
        load("set", folder, **wrong)
    (folder / "set/c.wav").write_bytes(stored(noise()))
    assert "both class folders and recordings" in failure("set", folder, **HOW)


def test_tables_and_shards_hold_recordings(folder: Path) -> None:
    """As Hugging Face and WebDataset store them: bytes beside a label."""
    held = load("set", folder, **HOW)
    files = sorted((folder / "set").rglob("*.wav"))
    bytes_of = [{"bytes": file.read_bytes(), "path": file.name} for file in files]
    table = pa.table({"x": bytes_of, "label": [file.parent.name for file in files]})
    pyarrow.parquet.write_table(table, folder / "set.parquet")
    with tarfile.open(folder / "set.tar", "w") as shard:
        for number, file in enumerate(files):
            label = folder / "label.cls"
            label.write_text(file.parent.name)
            shard.add(file, f"{number}.wav")
            shard.add(label, f"{number}.cls")
    for name in ("set.parquet", "set.tar"):
        found = load(name, folder, **HOW)
        assert found.labels == held.labels
        assert found.targets.tolist() == held.targets.tolist()
        np.testing.assert_array_equal(found.arrays()[0], held.arrays()[0])


def test_flac_is_read_by_soundfile(folder: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    (folder / "flac").mkdir()
    soundfile.write(folder / "flac/a.flac", noise(), 8000)
    found, rate = recordings.read((folder / "flac/a.flac").read_bytes(), "a.flac")
    assert rate == 8000
    np.testing.assert_allclose(found, noise(), atol=2e-4)
