"""`edgekit package --ios`: a Swift package as source."""

from __future__ import annotations

import json
from collections.abc import Sequence

from edgekit.package import Packaged, PackageRequest, card
from edgekit.package.identifiers import class_name
from edgekit.package.ios import converted, swift
from edgekit.package.ios.converted import Converted
from edgekit.package.ios.swift import ASSETS, SWIFT
from edgekit.package.phone import Parts, bill, parts, written

_WORDS = "WordPiece.swift"
_CORE_ML = "CoreMLSession.swift"
_PICTURES = "Pictures.swift"
_BOXES = "Boxes.swift"


def package(request: PackageRequest) -> Sequence[Packaged]:
    """The package of a bundle; raises `UsageError` for one that no runtime of iOS runs,
    `OutputError` where the folder cannot be written, `RuntimeMissing` without the file's runtime
    on this machine, which gives the tests their expected outputs."""
    made = parts(request, "ios", "on iOS")
    beside = converted.beside(made.bundle)
    name = class_name(made.bundle.name)
    name = f"{name}Model" if name in swift.TAKEN else name
    return [written(made, request, "ios", _files(made, name, beside), name)]


def _files(made: Parts, name: str, beside: Converted | None) -> dict[str, bytes]:
    """Content of the package by path."""
    model = made.facts["model"]["file"]
    resources, tests = f"Sources/{name}/Resources", f"Tests/{name}Tests"
    files = {f"{resources}/{model}": made.model}
    if made.rules is not None:
        files[f"{resources}/vocab.txt"] = made.vocabulary
    if beside is not None:
        files |= {f"{resources}/{path}": data for path, data in beside.files.items()}
    texts = {
        "Package.swift": SWIFT.rendered(
            "Package.swift.j2", name=name, runtime=made.chosen.runtime
        ),
        "contract.json": json.dumps(made.facts, indent=2, allow_nan=False) + "\n",
        "LICENSE": card.license_text(made.license, [made.chosen.runtime]),
        "README.md": _readme(made, name, beside),
        f"Sources/{name}/{name}.swift": swift.actor(made, name, beside),
        f"{tests}/{name}Tests.swift": swift.tests(made, name, beside),
        **_sources(made, name, beside),
    }
    files |= {path: text.encode() for path, text in texts.items()}
    files |= {f"{tests}/Fixtures/{one}": data for one, data in made.samples.items()}
    more = beside.files if beside is not None else {}
    return {**files, "sbom.cdx.json": bill(made, name, files=more)}


def _sources(made: Parts, name: str, beside: Converted | None) -> dict[str, str]:
    pictures = any(one["image"] for one in made.facts["inputs"])
    needed = {
        _WORDS: made.rules is not None,
        _PICTURES: pictures,
        _CORE_ML: beside is not None,
        _BOXES: made.facts["decoder"] is not None,
    }
    return {
        f"Sources/{name}/{asset.name}": asset.read_text("utf-8")
        for asset in sorted((ASSETS / "main").glob("*.swift"))
        if needed.get(asset.name, True)
    }


def _readme(made: Parts, name: str, beside: Converted | None) -> str:
    overload = swift.overloads(made)[-1]
    usage = SWIFT.rendered(
        "README.md.j2",
        name=name,
        arguments=overload.arguments,
        parameters=overload.parameters,
        runtime=made.chosen.runtime,
        model=made.facts["model"],
        core_ml=beside,
    )
    return card.readme(made.bundle, made.chosen.artifact, usage)
