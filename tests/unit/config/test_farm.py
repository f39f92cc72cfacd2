"""`devices.toml`, read or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.config import farm
from edgekit.errors import FarmError

TWO = """\
[[device]]
name = "pi-1"
address = "ssh://pi@one"
target = "raspberrypi"

[[device]]
name = "phone-1"
address = "adb://0A1B"
target = "android-arm64"
node = "bench-2"
drift = 0.05
quarantine = "its display is broken"
"""


def write(folder: Path, text: str) -> Path:
    file = folder / farm.FILE
    file.write_text(text)
    return file


def test_devices_are_read_with_their_targets_own_names(tmp_path: Path) -> None:
    pi, phone = farm.load(write(tmp_path, TWO))
    assert (pi.name, pi.address, pi.target) == ("pi-1", "ssh://pi@one", "raspberrypi4")
    assert (pi.node, pi.drift, pi.quarantine) == (None, 0.1, None)
    assert (phone.node, phone.drift) == ("bench-2", 0.05)
    assert phone.quarantine == "its display is broken"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("adb://0A1B", "ssh://pi@one"), r":3: device\[0\]\.address .* is there twice"),
        (
            ("phone-1", "pi-1"),
            r":2: device\[0\]\.name = \"pi-1\": this name is there tw",
        ),
        (("android-arm64", "andriod-arm64"), r":9: .*Did you mean 'android-arm64'"),
        (("drift = 0.05", "drfit = 0.05"), r":11: device\[1\]\.drfit .*'drift'"),
        (("drift = 0.05", "drift = 2"), r":11: device\[1\]\.drift = 2: should be less"),
        (('name = "pi-1"\n', ""), r"device\[0\]\.name is missing"),
        ((TWO, ""), "device is missing"),
        ((TWO, "device = []"), r":1: device = \[\]"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(
    change: tuple[str, str], expected: str, tmp_path: Path
) -> None:
    file = write(tmp_path, TWO.replace(*change))
    with pytest.raises(FarmError, match=expected) as error:
        farm.load(file)
    assert str(file) in str(error.value) and "\n" not in str(error.value)


def test_a_board_of_the_projects_own_is_a_target(tmp_path: Path) -> None:
    file = write(tmp_path, TWO.replace("android-arm64", "board"))
    (tmp_path / "targets").mkdir()
    shipped = Path(farm.__file__).parents[2] / "targets/host.toml"
    (tmp_path / "targets/board.toml").write_text(
        (Path(shipped).parent / "intel-n100.toml").read_text()
    )
    assert farm.load(file, folders=[tmp_path / "targets"])[1].target == "board"
