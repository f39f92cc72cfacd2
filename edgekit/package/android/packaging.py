"""`edgekit package --android`: a Gradle library module as source."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from edgekit.errors import UsageError
from edgekit.package import Packaged, PackageRequest
from edgekit.package.android import documents, kotlin
from edgekit.package.android.kotlin import ASSETS, Place
from edgekit.package.identifiers import class_name
from edgekit.package.opened import open_bundle
from edgekit.package.phone import Parts, parts, sha256, written

_NAMESPACE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_WORDS = "WordPiece.kt"
_PICTURES = "Pictures.kt"
_BOXES = "Boxes.kt"


def package(request: PackageRequest) -> Sequence[Packaged]:
    """The module of a bundle; raises `UsageError` for one that no Android runtime runs,
    `OutputError` where the folder cannot be written, `RuntimeMissing` without the file's runtime
    on this machine, which gives the tests their expected outputs."""
    project = open_bundle(request.bundle).name
    namespace = _namespace(request.options["namespace"], project)
    made = parts(request, "android", "on Android")
    name = class_name(project)
    place = Place(
        namespace=namespace,
        name=f"{name}Model" if name in kotlin.TAKEN else name,
        folder=namespace.replace(".", "_"),
        sha256=sha256(made.model),
        vocabulary_sha256=sha256(made.vocabulary),
    )
    files = _files(made, place)
    return [written(made, request, "android", files, f"{namespace}.{place.name}")]


def _namespace(requested: str | None, project: str) -> str:
    """The Kotlin package; raises `UsageError` for what is none."""
    words = re.sub(r"[^a-z0-9]+", "", project.lower())
    own = words if words[:1].isalpha() else f"n{words}"
    namespace = requested or f"model.{own}"
    if not _NAMESPACE.fullmatch(namespace) or {*namespace.split(".")} & kotlin.HARD:
        raise UsageError(
            f"--namespace {namespace!r} is not a package of Kotlin of two words or more. "
            "Write it as com.example.digits."
        )
    return namespace


def _files(made: Parts, place: Place) -> dict[str, bytes]:
    """Content of the package by path."""
    facts, runtime = made.facts, made.chosen.runtime
    assets, samples = f"src/main/assets/{place.folder}", f"fixtures/{place.folder}"
    files = {f"{assets}/{facts['model']['file']}": made.model}
    if made.rules is not None:
        files |= {f"{at}/vocab.txt": made.vocabulary for at in (assets, samples)}
    texts = {
        "contract.json": json.dumps(facts, indent=2, allow_nan=False) + "\n",
        "build.gradle.kts": documents.build(place, runtime),
        "consumer-rules.pro": (ASSETS / "consumer-rules.pro").read_text("utf-8"),
        "src/main/AndroidManifest.xml": "<manifest />\n",
        "LICENSE": documents.license_text(made.license, runtime),
        "README.md": documents.readme(made, place),
        **_sources(made, place),
    }
    files |= {name: text.encode() for name, text in texts.items()}
    files |= {f"{samples}/{name}": content for name, content in made.samples.items()}
    return {**files, "sbom.cdx.json": documents.bill(made, place)}


def _sources(made: Parts, place: Place) -> dict[str, str]:
    """The Kotlin files by path."""
    path, text = place.namespace.replace(".", "/"), made.rules is not None
    pictures = any(one["image"] for one in made.facts["inputs"])
    needed = {
        _WORDS: text,
        _PICTURES: pictures,
        _BOXES: made.facts["decoder"] is not None,
    }
    found = {}
    for asset in sorted((ASSETS / "main").glob("*.kt")):
        if needed.get(asset.name, True):
            code = asset.read_text("utf-8").replace("NAMESPACE", place.namespace, 1)
            found[f"src/main/kotlin/{path}/{asset.name}"] = code
    own = kotlin.model_class(made.facts, place, made.rules)
    tests = kotlin.tests(made.facts, place, made.fixtures, text=text)
    name = place.name
    return {
        **found,
        f"src/main/kotlin/{path}/{name}.kt": own,
        f"src/sharedTest/kotlin/{path}/Fixtures.kt": tests["Fixtures.kt.j2"],
        f"src/test/kotlin/{path}/{name}Test.kt": tests["UnitTest.kt.j2"],
        f"src/androidTest/kotlin/{path}/{name}DeviceTest.kt": tests["DeviceTest.kt.j2"],
    }
