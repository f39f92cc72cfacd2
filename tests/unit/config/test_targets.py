import os
import platform
import tomllib

import pytest

from edgekit.config import targets
from edgekit.config.resources import shipped
from edgekit.errors import TargetError
from edgekit.types import Power

NAMES = [
    "android-arm64",
    "host",
    "intel-n100",
    "jetson-orin-nano",
    "raspberrypi-armv7",
    "raspberrypi-zero2w",
    "raspberrypi3",
    "raspberrypi4",
    "raspberrypi5",
    "web",
]
BOARD = """
description = "A board of mine"
arch = "aarch64"
cpu = "cortex-a55"
cores = 4
runtimes = ["onnxruntime"]
precisions = ["fp32"]
image = "linux/arm64"
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "board.toml").write_text(BOARD)
    return tmp_path


def error_of(folder, text):
    (folder / "board.toml").write_text(text)
    with pytest.raises(TargetError) as error:
        targets.load("board", folders=[folder])
    return str(error.value).removeprefix(f"{folder}/")


def test_every_shipped_profile_is_known():
    assert [target.name for target in targets.known()] == NAMES


def test_the_alias_raspberrypi_is_the_raspberry_pi_4():
    assert targets.load("raspberrypi") == targets.load("raspberrypi4")


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_rounds_every_precision_and_sources_its_power(name):
    target = targets.load(name)
    assert set(target.channel_multiple) == set(target.precisions)
    figures = (target.power.idle_w, target.power.load_w)
    if any(figure is not None for figure in figures):
        assert target.power.boundary
        assert target.power.provenance
    else:
        assert target.power == Power()


def test_32_bit_boards_run_tflite_runtime_alone():
    target = targets.load("raspberrypi-armv7")
    assert target.runtimes == ("tflite-runtime",)
    assert target.image == "linux/arm/v7"


def test_host_is_this_machine():
    target = targets.load("host")
    assert target.cores == os.cpu_count()
    assert target.arch == {"AMD64": "x86_64", "arm64": "aarch64"}.get(
        platform.machine(), platform.machine()
    )
    assert target.ram_mb > 0


def test_a_board_of_ones_own_is_a_file(folder):
    target = targets.load("board", folders=[folder])
    assert (target.name, target.cpu, target.power) == ("board", "cortex-a55", Power())
    assert target.ram_mb is None
    assert target in targets.known([folder])


def test_ones_own_file_wins_over_ours(folder):
    (folder / "raspberrypi5.toml").write_text(BOARD)
    assert targets.load("raspberrypi5", folders=[folder]).cpu == "cortex-a55"
    assert [t.name for t in targets.known([folder])].count("raspberrypi5") == 1
    assert targets.load("raspberrypi5").cpu == "cortex-a76"


def test_a_misspelt_name_gets_a_suggestion_and_the_list():
    with pytest.raises(TargetError) as error:
        targets.load("rasberrypi")
    assert str(error.value) == (
        "No target 'rasberrypi'. Did you mean 'raspberrypi'? Known: android-arm64, host, "
        "intel-n100, jetson-orin-nano, raspberrypi, raspberrypi-armv7, raspberrypi-zero2w, "
        "raspberrypi3, raspberrypi4, raspberrypi5, web. "
        "A board of your own is a file targets/rasberrypi.toml."
    )
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "cores = 4",
            "core = 4",
            "board.toml:5: core = 4: unknown key. Did you mean 'cores'? Known: description, ",
        ),
        (
            '["onnxruntime"]',
            '["onnx-runtime"]',
            "board.toml:6: runtimes[0] = \"onnx-runtime\": should be one of 'coreml', "
            "'executorch', 'litert', 'ncnn', 'onnxruntime', 'openvino', 'tflite-runtime'. "
            "Did you mean 'onnxruntime'?",
        ),
        (
            'image = "linux/arm64"',
            "",
            "board.toml:1: image is missing; add `image = ...` to the file.",
        ),
        (
            "cores = 4",
            "cores = 0",
            "board.toml:5: cores = 0: should be greater than or equal to 1.",
        ),
        (
            "cores = 4",
            "cores = 2\nthreads = 4",
            "board.toml:6: threads = 4: more threads than cores = 2; use at most 2.",
        ),
        (
            'image = "linux/arm64"',
            'image = "linux/arm64"\nchannel_multiple = { int8 = 8 }',
            "board.toml:9: channel_multiple.int8 = 8: precision not listed; "
            'add "int8" to precisions or remove this key.',
        ),
        (
            "\ndescription",
            '\nname = "other"\ndescription',
            'board.toml:2: name = "other": unknown key. Known: description, ',
        ),
        (
            'image = "linux/arm64"',
            'image = "linux/arm64"\n[power]\nidle_w = "2 W"',
            'board.toml:10: power.idle_w = "2 W": should be a number.',
        ),
    ],
)
def test_a_mistake_names_its_line(folder, old, new, message):
    assert error_of(folder, BOARD.replace(old, new)).startswith(message)


def test_shipped_files_are_plain_toml_without_a_name():
    for path in shipped("targets").glob("*.toml"):
        assert "name" not in tomllib.loads(path.read_text(encoding="utf-8"))
