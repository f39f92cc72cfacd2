"""Images of a bundle."""

from __future__ import annotations

import pytest

from edgekit.config.resources import shipped
from edgekit.package.docker import docker, image
from edgekit.package.docker.image import FAMILIES
from edgekit.package.opened import Bundle


def test_all_is_every_runtime_that_runs_a_file(bundle: Bundle) -> None:
    request = docker.ImageRequest(
        bundle=bundle.folder, platforms=(docker.EVERY,), tag="me/x:1"
    )
    expected = docker.chosen(request, bundle)
    tags = [docker.tag_of(request, bundle, *one) for one in expected]
    assert tags == [
        "me/x:1-onnxruntime-amd64",
        "me/x:1-litert-amd64",
        "me/x:1-litert-arm64",
        "me/x:1-onnxruntime-arm64",
        "me/x:1-tflite-runtime-armv7",
    ]


def test_the_contexts_dockerfile_has_the_bundles_labels(bundle: Bundle) -> None:
    text = docker._dockerfile(bundle, FAMILIES["linux/arm64"], "litert")
    assert 'ARG TITLE="My model"\n' in text and 'ARG RUNTIME="litert"\n' in text
    assert docker._quoted('a "b" $c\n\\') == '"a b c "'


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_dockerfiles_run_nothing_and_name_their_base_once(family: image.Family) -> None:
    text = (shipped("docker") / f"{family.name}.Dockerfile").read_text()
    steps = [line.split()[0] for line in text.splitlines() if line[:1].isupper()]
    assert "RUN" not in steps
    assert steps.count("FROM") == 1 and "FROM ${BASE}" in text
    assert {"HEALTHCHECK", "USER", "LABEL", "ENTRYPOINT"} <= set(steps)
