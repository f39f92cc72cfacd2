"""Images of a bundle, and the description for the agent in them."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from edgekit.errors import UsageError
from edgekit.package import contract
from edgekit.package.bundle import _entry
from edgekit.package.docker import docker, image
from edgekit.package.docker.image import FAMILIES
from edgekit.package.docker.smoke_test import _sample
from edgekit.package.opened import Bundle, open_bundle
from edgekit.store import Store
from edgekit.types import DecoderCode
from tests.runtime.agent.serving.text_model import contract_in

REPOSITORY = Path(__file__).parents[4]


def test_the_runtime_is_the_chosen_one_or_the_first_that_fits(
    bundle: Bundle,
) -> None:
    assert image.runtime_for(bundle, FAMILIES["linux/arm64"], None) == "litert"
    assert image.runtime_for(bundle, FAMILIES["linux/arm/v7"], None) == "tflite-runtime"
    asked = image.runtime_for(bundle, FAMILIES["linux/amd64"], "onnxruntime")
    assert asked == "onnxruntime"
    with pytest.raises(UsageError, match="files for litert, onnxruntime"):
        image.runtime_for(bundle, FAMILIES["linux/amd64"], "openvino")
    with pytest.raises(UsageError, match="images for linux/arm/v7 run tflite-runtime"):
        image.runtime_for(bundle, FAMILIES["linux/arm/v7"], "litert")


def test_the_agent_is_reported_what_it_must_know(bundle: Bundle) -> None:
    models = image.models_for(bundle, "tflite-runtime")
    assert list(models) == ["litert-fp32", "litert-int8"]
    app = image._app(bundle, "tflite-runtime", models)
    about = json.loads(app["opt/edgekit/bundle/image.json"].read())
    assert about["default"] == "litert-int8" and about["threads"] == 2
    assert about["name"] == "My-model" and about["runtime"] == "tflite-runtime"
    assert about["models"]["litert-fp32"]["files"] == ["a.tflite"]
    assert about["models"]["litert-fp32"]["layout"] == "NHWC"
    assert "opt/edgekit/agent.pyz" in app
    card = app["opt/edgekit/bundle/README.md"].read().decode()
    assert card.startswith("# My model") and "| precision | int8 |" in card
    onnx = image._app(bundle, "onnxruntime", image.models_for(bundle, "onnxruntime"))
    about = json.loads(onnx["opt/edgekit/bundle/image.json"].read())
    assert about["default"] == "onnxruntime-fp32", "no int8 there: what there is"


def test_a_changed_bundle_is_refused(bundle: Bundle) -> None:
    (bundle.folder / "candidates/a.onnx").write_bytes(b"other")
    with pytest.raises(UsageError, match=r"was changed: candidates/a\.onnx"):
        open_bundle(bundle.folder)


def test_a_folder_that_is_not_a_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"it has no manifest\.json"):
        open_bundle(tmp_path)


def test_an_unknown_platform_lists_those_there_are(
    bundle: Bundle, tmp_path: Path
) -> None:
    order = docker.ImageRequest(bundle=bundle.folder, platforms=("linux/s390x",))
    with pytest.raises(
        UsageError, match="Known: linux/amd64, linux/arm64, linux/arm/v7"
    ):
        docker.families_of(order, bundle)
    mine = docker.families_of(docker.ImageRequest(bundle=bundle.folder), bundle)
    assert [family.name for family in mine] == ["arm64"]
    assert Store(tmp_path).find("wheels", "x") is None, "nothing was fetched"


def test_time_comes_from_the_build_or_from_the_environment(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bundle.epoch == 1767323045
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12")
    assert bundle.epoch == 12


@pytest.mark.parametrize(
    ("given", "tag"),
    [
        (None, "edgekit/my-model:litert-arm64"),
        ("me/digits", "me/digits:latest-arm64"),
        ("me/digits:2", "me/digits:2-arm64"),
        ("127.0.0.1:5000/digits", "127.0.0.1:5000/digits:latest-arm64"),
    ],
)
def test_tags_name_the_architecture(
    bundle: Bundle, given: str | None, tag: str
) -> None:
    order = docker.ImageRequest(bundle=bundle.folder, tag=given)
    assert docker.tag_of(order, bundle, FAMILIES["linux/arm64"], "litert") == tag


def text_bundle(bundle: Bundle) -> Path:
    """The same bundle, of texts; returns its tokenizer."""
    contract = asdict(contract_in(bundle.folder))
    shutil.rmtree(bundle.folder / "source")
    place, file = bundle.folder / "manifest.json", bundle.folder / "tokenizer.json"
    manifest = json.loads(place.read_text())
    manifest["contract"]["text"] = contract
    manifest["files"].append(_entry(bundle.folder, file))
    place.write_text(json.dumps(manifest))
    return file


def test_a_bundle_of_texts_brings_its_tokenizer(bundle: Bundle) -> None:
    file = text_bundle(bundle)
    opened = open_bundle(bundle.folder)
    app = image._app(opened, "litert", image.models_for(opened, "litert"))
    assert app["opt/edgekit/bundle/tokenizer.json"].read() == file.read_bytes()
    about = json.loads(app["opt/edgekit/bundle/image.json"].read())
    assert about["text"]["length"] == 12
    assert json.loads(_sample(opened)) == {"text": "a"}


def code_bundle(bundle: Bundle) -> Path:
    """The same bundle with a decoder of its author's; returns its file."""
    file, place = bundle.folder / "decoder.py", bundle.folder / "manifest.json"
    file.write_text("def boxes(output):\n    return output, output, output\n")
    code = DecoderCode(
        function="boxes",
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        masks=False,
        confidence=0.3,
        most=5,
    )
    manifest = json.loads(place.read_text())
    manifest["contract"]["decoder_code"] = asdict(code)
    manifest["files"].append(_entry(bundle.folder, file))
    place.write_text(json.dumps(manifest))
    return file


def test_a_bundle_brings_its_authors_decoder_and_states_it(bundle: Bundle) -> None:
    file = code_bundle(bundle)
    opened = open_bundle(bundle.folder)
    app = image._app(opened, "litert", image.models_for(opened, "litert"))
    assert app["opt/edgekit/bundle/decoder.py"].read() == file.read_bytes()
    about = json.loads(app["opt/edgekit/bundle/image.json"].read())
    assert about["decoder_code"]["function"] == "boxes" and about["decoder"] is None
    assert "`infer --allow-code`" in app["opt/edgekit/bundle/README.md"].read().decode()
    assert "with --allow-code" in docker._reported("answered", opened)
    assert docker._reported("answered", bundle) == "answered"


def test_a_package_for_applications_leaves_the_code_out(bundle: Bundle) -> None:
    code_bundle(bundle)
    opened = open_bundle(bundle.folder)
    assert [*contract._notes(opened, None, "litert-int8")] == [
        "it returns the network's outputs: decoder.py of the bundle, which finds boxes in them, "
        "is Python"
    ]
    assert not [*contract._notes(bundle, None, "litert-int8")]


def test_code_that_the_contract_does_not_name_is_refused(bundle: Bundle) -> None:
    file = code_bundle(bundle)
    file.write_text("import os\n")
    place = bundle.folder / "manifest.json"
    manifest = json.loads(place.read_text())
    manifest["files"][-1] = _entry(bundle.folder, file)
    place.write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match=r"decoder\.py: differs from the contract"):
        open_bundle(bundle.folder)


def test_images_of_texts_hold_the_package_that_reads_them(bundle: Bundle) -> None:
    text_bundle(bundle)
    opened = open_bundle(bundle.folder)
    for family in FAMILIES.values():
        lists = image._lists(opened, family.runtimes[0])
        assert [each.name for each in lists][1:] == ["tokenizers.txt"]
        assert lists[1].read_text().count("--hash=sha256:") == len(FAMILIES)
    plain = image._lists(bundle, "litert")
    assert [each.name for each in plain] == ["litert.txt"]


def test_another_tokenizer_than_that_of_the_contract_is_refused(
    bundle: Bundle,
) -> None:
    file = text_bundle(bundle)
    file.write_text("{}")
    place = bundle.folder / "manifest.json"
    manifest = json.loads(place.read_text())
    manifest["files"][-1] = _entry(bundle.folder, file)
    place.write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match=r"tokenizer\.json: differs from the contract"):
        open_bundle(bundle.folder)
    file.unlink()
    del manifest["files"][-1]
    place.write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match=r"tokenizer\.json: missing"):
        open_bundle(bundle.folder)
