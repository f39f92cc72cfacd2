import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.errors import OutputError
from edgekit.package import bundle
from edgekit.types import Artifact, Preprocess, Quantization, TensorSpec
from tests import reports


def artifact(folder, *names):
    for name in names:
        (folder / name).write_bytes(name.encode() * 100)
    return Artifact(
        name="digits-openvino-int8",
        runtime="openvino",
        precision="int8",
        files=tuple(folder / name for name in names),
        inputs=(
            TensorSpec(
                name="input",
                shape=(1, 8, 8, 1),
                dtype="int8",
                layout="NHWC",
                quantization=Quantization(scale=0.5, zero_point=-3),
            ),
        ),
        outputs=(TensorSpec(name="output", shape=(1, 10), dtype="float32"),),
    )


def fill(folder):
    """Write a bundle the way a build does."""
    source = folder.parent / "exported"
    source.mkdir(parents=True, exist_ok=True)
    made = artifact(source, "digits-openvino-int8.xml", "digits-openvino-int8.bin")
    with bundle.replacing(folder) as new:
        bundle.place(made, new / "candidates", stem=made.name)
        chosen = bundle.place(made, new, stem="model")
        (new / "student.pt2").write_bytes(b"network")
        bundle.write_manifest(
            new,
            report=reports.report(),
            chosen=chosen,
            contract=bundle.IOContract(
                inputs=made.inputs,
                outputs=made.outputs,
                preprocess=(
                    Preprocess(scale=16, mean=(0.5,), std=(0.25,), color="gray"),
                ),
                labels=("zero", "one"),
            ),
            source_hash="ab" * 32,
            versions={"torch": "2.13.0", "edgekit": "0.1.0"},
        )


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


# --- the manifest -----------------------------------------------------------------------------


def test_the_chosen_artifact_is_called_model_and_candidates_keep_their_names(tmp_path):
    fill(tmp_path / "build" / "pi")
    assert names(tmp_path / "build")[3:] == [
        "pi",
        "pi/candidates",
        "pi/candidates/digits-openvino-int8.bin",
        "pi/candidates/digits-openvino-int8.xml",
        "pi/manifest.json",
        "pi/model.bin",
        "pi/model.xml",
        "pi/student.pt2",
    ]


def test_the_manifest_holds_every_file_with_its_hash_and_size(tmp_path):
    folder = tmp_path / "pi"
    fill(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    listed = {entry["path"]: entry for entry in manifest["files"]}
    files = {n for n in names(folder) if (folder / n).is_file()} - {"manifest.json"}
    assert set(listed) == files
    for name, entry in listed.items():
        content = (folder / name).read_bytes()
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert entry["size_bytes"] == len(content)


def test_the_manifest_holds_the_io_contract_versions_and_source(tmp_path):
    folder = tmp_path / "pi"
    fill(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["schema_version"] == 3
    assert manifest["target"] == "raspberrypi4"
    assert manifest["verdict"] == "unproven"
    assert manifest["source_sha256"] == "ab" * 32
    assert list(manifest["versions"]) == ["edgekit", "torch"]
    assert manifest["model"]["files"] == ["model.xml", "model.bin"]
    contract = manifest["contract"]
    assert contract["inputs"] == [
        {
            "name": "input",
            "shape": [1, 8, 8, 1],
            "dtype": "int8",
            "layout": "NHWC",
            "quantization": {"scale": 0.5, "zero_point": -3},
            "preprocessing": contract["preprocessing"],
        }
    ]
    assert contract["outputs"][0]["quantization"] is None
    assert contract["preprocessing"] == {
        "formula": "(value / scale - mean) / std, by channel",
        "scale": 16,
        "mean": [0.5],
        "std": [0.25],
        "color": "gray",
        "resize": "bilinear",
        "fit": "stretch",
    }
    assert contract["labels"] == ["zero", "one"]


def test_check_names_what_was_changed_lost_or_added(tmp_path):
    folder = tmp_path / "pi"
    fill(folder)
    assert bundle.check(folder) == []
    (folder / "model.bin").write_bytes(b"tampered")
    (folder / "student.pt2").unlink()
    (folder / "extra.txt").write_text("x")
    assert bundle.check(folder) == [
        "student.pt2: missing",
        "extra.txt: not in the manifest",
        "model.bin: differs from the manifest",
    ]


def test_a_companion_found_by_its_own_name_keeps_it(tmp_path):
    made = artifact(tmp_path, "big.onnx", "big.onnx.data")
    placed = bundle.place(made, tmp_path / "out", stem="model")
    assert names(tmp_path / "out") == ["big.onnx.data", "model.onnx"]
    assert placed.files == (tmp_path / "out/model.onnx", tmp_path / "out/big.onnx.data")


# --- the folder -------------------------------------------------------------------------------


def test_a_second_build_replaces_the_first_whole(tmp_path):
    folder = tmp_path / "pi"
    fill(folder)
    with bundle.replacing(folder) as new:
        assert new.parent == folder.parent
        (new / "only.txt").write_text("new")
    assert names(tmp_path / "pi") == ["only.txt"]
    assert names(tmp_path)[0] == "exported"
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    assert folder.stat().st_mode & 0o077 == 0o777 & ~_umask() & 0o077


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_folder_and_nothing_else(tmp_path, failure):
    folder = tmp_path / "pi"
    fill(folder)
    before = names(tmp_path)
    with pytest.raises(failure), bundle.replacing(folder) as new:
        (new / "half.txt").write_text("half")
        raise failure
    assert names(tmp_path) == before
    assert bundle.check(folder) == []


def test_a_failure_removes_the_parents_it_made(tmp_path):
    with pytest.raises(ValueError), bundle.replacing(tmp_path / "build" / "a" / "pi"):
        raise ValueError
    assert names(tmp_path) == []


def test_the_old_folder_comes_back_where_the_new_one_cannot(tmp_path):
    folder = tmp_path / "pi"
    fill(folder)
    before = names(tmp_path)
    with pytest.raises(FileNotFoundError), bundle.replacing(folder) as new:
        new.rmdir()
    assert names(tmp_path) == before


def test_ctrl_c_in_a_real_process_leaves_nothing(tmp_path):
    script = (
        "import sys, time, pathlib\nfrom edgekit.package import bundle\n"
        "with bundle.replacing(pathlib.Path(sys.argv[1])) as new:\n"
        "    (new / 'half.txt').write_text('half'); print('ready', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "build" / "pi")],
        cwd=Path(bundle.__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"ready\n"
    assert len(names(tmp_path)) == 3
    process.send_signal(2)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert names(tmp_path) == []


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "build").write_text("mine")
    for folder in (tmp_path / "build", tmp_path / "build" / "pi"):
        with pytest.raises(OutputError) as error, bundle.replacing(folder):
            pass
        assert str(error.value) == (
            f"Cannot write the folder {folder}: {tmp_path / 'build'} is a file. "
            "Remove it or name another folder."
        )
    assert names(tmp_path) == ["build"]


def test_a_read_only_parent(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    try:
        with pytest.raises(OutputError) as error, bundle.replacing(closed / "a" / "pi"):
            pass
    finally:
        closed.chmod(0o755)
    assert str(error.value) == (
        f"Cannot write the folder {closed / 'a' / 'pi'} ({closed} is read-only). "
        "Change its permissions or name another folder."
    )
    assert error.value.exit_code == 2
    assert names(tmp_path) == ["closed"]


def test_a_read_only_folder_of_an_earlier_build(tmp_path):
    folder = tmp_path / "pi"
    fill(folder)
    folder.chmod(0o555)
    try:
        with (
            pytest.raises(OutputError, match=r"pi is read-only"),
            bundle.replacing(folder),
        ):
            pass
    finally:
        folder.chmod(0o755)
    assert bundle.check(folder) == []


@pytest.mark.parametrize("name", ["thesis.txt", "manifest.json"])
def test_a_folder_that_is_not_a_bundle_is_never_replaced(tmp_path, name):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / name).write_text('{"name": "a web site"}')
    with pytest.raises(OutputError) as error, bundle.replacing(tmp_path / "home"):
        pass
    assert str(error.value) == (
        f"Cannot replace the folder {tmp_path / 'home'}: {name} was not written by EdgeKit. "
        "Move it or name another folder."
    )
    assert names(tmp_path / "home") == [name]


def test_a_file_of_ones_own_in_a_bundle_is_kept(tmp_path):
    folder = tmp_path / "pi"
    fill(folder)
    (folder / "notes.md").write_text("mine")
    with (
        pytest.raises(OutputError, match=r"notes.md was not written"),
        bundle.replacing(folder),
    ):
        pass
    assert (folder / "notes.md").read_text() == "mine"


def test_an_empty_folder_and_a_link_to_one_are_filled(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with bundle.replacing(tmp_path / "link") as new:
        (new / "a").write_text("a")
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path / "real") == ["a"]


def test_a_full_disk_is_one_clear_line(tmp_path):
    with (
        pytest.raises(
            OutputError, match=r"\(No space left on device\). Free some space"
        ),
        bundle.replacing(tmp_path / "pi"),
        Path("/dev/full").open("w") as full,
    ):
        full.write("x")
        full.flush()
    assert names(tmp_path) == []


SWAPS = """
import os, random, runpy, signal, sys, time
from pathlib import Path
from edgekit.package import bundle
folder, draw = Path(sys.argv[1]), random.Random(0)
fill = runpy.run_path(sys.argv[2])["fill"]
fill(folder)
for turn in range(40):
    child = os.fork()
    while child == 0:
        fill(folder)
    time.sleep(draw.uniform(0.001, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert bundle.check(folder) == [], bundle.check(folder)
fill(folder)
left = sorted(path.name for path in folder.parent.iterdir())
assert left == ["exported", folder.name], left
"""


def test_a_kill_in_a_swap_leaves_a_whole_bundle_and_nothing_for_good(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SWAPS, str(tmp_path / "place/pi"), __file__],
        env={**os.environ, "PYTHONPATH": str(Path(bundle.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_where_names_cannot_be_exchanged_a_killed_swap_is_undone(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "_exchange", lambda new, old: False)
    folder = tmp_path / "pi"
    fill(folder)
    before = names(folder)
    fill(folder)
    folder.rename(bundle._previous(folder))  # as a kill between two renames leaves it
    with pytest.raises(RuntimeError), bundle.replacing(folder):
        raise RuntimeError("in the middle")
    assert names(folder) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exported", "pi"]
