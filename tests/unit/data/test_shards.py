"""WebDataset's shards."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.data import memory
from edgekit.data import read as read_data
from edgekit.data.dataset import Dataset
from edgekit.data.read_ahead import read_ahead
from edgekit.data.request import Request
from edgekit.errors import DataError
from edgekit.types import InputSpec, Preprocess

SPEC = InputSpec(shape=(3, 4, 6))
NOISE = np.random.default_rng(0).integers(0, 256, (6, 4, 6, 3), np.uint8)


def png(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(NOISE[number]).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, members: Mapping[str, bytes]) -> None:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as shard:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            shard.addfile(entry, io.BytesIO(content))


def two_shards(root: Path) -> None:
    for shard, numbers in (("b.tar", (3, 4, 5)), ("a.tar", (0, 1, 2))):
        members = {"._0.png": b"a finder's", "readme": b"none"}
        for number in numbers:
            members[f"x/{number:03}.png"] = png(number)
            members[f"x/{number:03}.cls"] = f"{number % 2}\n".encode()
        write(root / "set" / shard, members)


def read(root: Path, spec: str = "set", group: str | None = None) -> Dataset:
    inputs = Request.of_one(SPEC, Preprocess(scale=1.0)).inputs
    request = Request(inputs=inputs, labels=None, group=group)
    return read_data(spec, root=root, request=request)


def test_shards_are_read_in_order_with_their_classes(tmp_path: Path) -> None:
    two_shards(tmp_path)
    x, y = read(tmp_path).arrays()
    np.testing.assert_array_equal(x, NOISE.transpose(0, 3, 1, 2))
    assert y.tolist() == [0, 1, 0, 1, 0, 1]
    only = read(tmp_path, "set/b.tar")
    np.testing.assert_array_equal(only.arrays()[0], x[3:])
    assert only.fingerprint() == read(tmp_path, "set/b.tar").fingerprint()
    assert only.fingerprint() != read(tmp_path).subset(np.arange(3, 6)).fingerprint()


def test_workers_read_members_of_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_shards(tmp_path)
    whole = read(tmp_path).arrays()[0]
    monkeypatch.setattr(memory, "MEMORY", 0)
    parts = [np.array([5, 0]), np.array([2, 3, 1])]
    for part, ((x,), _) in zip(parts, read_ahead(read(tmp_path), parts), strict=True):
        np.testing.assert_array_equal(x, whole[part])


def test_json_has_labels_and_groups(tmp_path: Path) -> None:
    members: dict[str, bytes] = {}
    for number, kind in enumerate(("cat", "dog", "cat")):
        about = {"label": kind, "patient": f"p{number}", "width": 6}
        members |= {
            f"{number}.json": json.dumps(about).encode(),
            f"{number}.png": png(number),
        }
    write(tmp_path / "a.tar", members)
    found = read(tmp_path, "a.tar", group="patient")
    assert found.labels == ("cat", "dog") and found.targets.tolist() == [0, 1, 0]
    assert found.groups is not None and found.groups.tolist() == ["p0", "p1", "p2"]


def test_shards_without_labels(tmp_path: Path) -> None:
    write(tmp_path / "a.tar", {"0.png": png(0), "1.jpg": png(1)})
    assert not read(tmp_path, "a.tar").labeled


FAULTS: dict[str, tuple[dict[str, bytes], str]] = {
    "nothing": ({"readme": b""}, "has no samples"),
    "no image": (
        {"0.cls": b"1"},
        r"0 in .*a\.tar has not one image or recording \(none\)",
    ),
    "two images": ({"0.jpg": b"", "0.seg.png": b""}, r"\(jpg, seg\.png\)"),
    "json": ({"0.png": png(0), "0.json": b"{"}, r"Cannot read 0\.json in .*a\.tar"),
    "text": ({"0.png": png(0), "0.cls": b"\xff"}, r"Cannot read 0\.cls in "),
    "long": ({"0.png": png(0), "0.cls": b"1" * (2 << 20)}, "2,097,152 bytes"),
    "some labels": ({"0.png": png(0), "0.cls": b"1", "1.png": png(1)}, "and 1 in .*"),
    "kinds": (
        {"0.png": png(0), "0.cls": b"1", "1.png": png(1), "1.cls": b"cat"},
        r"several kinds \(int, str\)",
    ),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_samples_that_cannot_be_used_are_named(tmp_path: Path, kind: str) -> None:
    members, message = FAULTS[kind]
    write(tmp_path / "a.tar", members)
    with pytest.raises(DataError, match=message) as said:
        read(tmp_path, "a.tar")
    assert "\n" not in str(said.value)


def test_shards_that_are_cut_or_compressed(tmp_path: Path) -> None:
    two_shards(tmp_path)
    whole = (tmp_path / "set/a.tar").read_bytes()
    (tmp_path / "set/a.tar").write_bytes(whole[:3000])
    with tarfile.open(tmp_path / "set/c.tar", "w:gz") as shard:
        shard.addfile(tarfile.TarInfo("0.png"))
    with pytest.raises(DataError, match=r"read 2 shards: .*a\.tar .*c\.tar ") as e:
        read(tmp_path)
    assert "\n" not in str(e.value)


def test_an_image_in_a_shard_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.tar", {"x/0.png": png(0), "x/1.png": b"none"})
    with pytest.raises(DataError, match=r"the image x/1 in .*a\.tar \("):
        read(tmp_path, "a.tar").arrays()


def test_a_network_of_several_inputs(tmp_path: Path) -> None:
    write(tmp_path / "a.tar", {"0.png": png(0)})
    one = Request.of_one(SPEC, Preprocess()).inputs[0]
    request = Request(inputs=(one, one), labels=None)
    with pytest.raises(
        DataError, match="holds one part a sample, and the network takes"
    ):
        read_data("a.tar", root=tmp_path, request=request)
