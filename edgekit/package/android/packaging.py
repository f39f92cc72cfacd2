"""`edgekit package --android`: a Gradle library module as source."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.errors import UsageError
from edgekit.package import Packaged, PackageRequest, contract, fixtures, output_folder
from edgekit.package.android import documents, kotlin
from edgekit.package.android.kotlin import ASSETS, Place
from edgekit.package.contract import Chosen
from edgekit.package.fixtures import Fixtures
from edgekit.package.identifiers import class_name
from edgekit.package.opened import Bundle, open_bundle
from edgekit.package.tokenizer_rules import WordPieceRules, read
from edgekit.runtimes import mobile
from edgekit.runtimes.mobile import MobileRuntime

_NAMESPACE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_WORDS = "WordPiece.kt"
_PICTURES = "Pictures.kt"
_OF_GRADLE = ("build", ".gradle")


@dataclass(frozen=True, kw_only=True)
class _Made:
    """The parts that the files of a package are made of."""

    bundle: Bundle
    chosen: Chosen[MobileRuntime]
    facts: Mapping[str, Any]
    place: Place
    rules: WordPieceRules | None
    """`None` where a sample is numbers, a picture or tokens."""
    fixtures: Fixtures
    license: str


def package(request: PackageRequest) -> Sequence[Packaged]:
    """The module of a bundle; raises `UsageError` for one that no Android runtime runs,
    `OutputError` where the folder cannot be written, `RuntimeMissing` without the file's runtime
    on this machine, which gives the tests their expected outputs."""
    options = request.options
    license = output_folder.license_of(options["license"])
    bundle = open_bundle(request.bundle)
    namespace = _namespace(options["namespace"], bundle)
    known = mobile.known("android")
    chosen = contract.choose(bundle, options["artifact"], known, "on Android")
    facts = contract.facts(bundle, chosen)
    rules = read(bundle)
    note = "; ".join(filter(None, [chosen.note, _tokens_note(rules)]))
    made = _Made(
        bundle=bundle,
        chosen=chosen,
        facts=facts,
        place=_place(bundle, chosen, namespace, rules),
        rules=None if isinstance(rules, str) else rules,
        fixtures=fixtures.made(bundle, chosen, facts),
        license=license,
    )
    files = _files(made)
    out = output_folder.folder(options["out"], bundle, "android")
    output_folder.write(out, files, beside=_OF_GRADLE)
    return [_packaged(made, str(out), files, note)]


def _packaged(made: _Made, out: str, files: Mapping[str, bytes], note: str) -> Packaged:
    runtime = made.chosen.runtime
    sizes = {name: len(content) for name, content in files.items()}
    return Packaged(
        title=f"{out}/  {made.chosen.artifact['name']} on {runtime.title}",
        facts={
            "folder": out,
            "artifact": made.chosen.artifact["name"],
            "runtime": f"{runtime.package}:{runtime.version}",
            "class": f"{made.place.namespace}.{made.place.name}",
            "package_bytes": sum(sizes.values()),
            "note": note,
        },
        parts_bytes=sizes,
        note=note,
    )


def _namespace(requested: str | None, bundle: Bundle) -> str:
    """The Kotlin package; raises `UsageError` for what is none."""
    words = re.sub(r"[^a-z0-9]+", "", bundle.name.lower())
    own = words if words[:1].isalpha() else f"n{words}"
    namespace = requested or f"model.{own}"
    if not _NAMESPACE.fullmatch(namespace) or {*namespace.split(".")} & kotlin.HARD:
        raise UsageError(
            f"--namespace {namespace!r} is not a package of Kotlin of two words or more. "
            "Write it as com.example.digits."
        )
    return namespace


def _place(
    bundle: Bundle,
    chosen: Chosen[MobileRuntime],
    namespace: str,
    rules: WordPieceRules | str | None,
) -> Place:
    name = class_name(bundle.name)
    return Place(
        namespace=namespace,
        name=f"{name}Model" if name in kotlin.TAKEN else name,
        folder=namespace.replace(".", "_"),
        sha256=hashlib.sha256(chosen.file.read_bytes()).hexdigest(),
        vocabulary_sha256=hashlib.sha256(_vocabulary(rules)).hexdigest(),
    )


def _tokens_note(rules: WordPieceRules | str | None) -> str:
    if not isinstance(rules, str):
        return ""
    return f"the class takes tokens, not texts: {rules}"


def _vocabulary(rules: WordPieceRules | str | None) -> bytes:
    if not isinstance(rules, WordPieceRules):
        return b""
    return "".join(f"{token}\n" for token in rules.vocabulary).encode()


def _files(made: _Made) -> dict[str, bytes]:
    """Content of the package by path."""
    place, facts = made.place, made.facts
    assets = f"src/main/assets/{place.folder}"
    files = {f"{assets}/{facts['model']['file']}": made.chosen.file.read_bytes()}
    if made.rules is not None:
        files[f"{assets}/vocab.txt"] = _vocabulary(made.rules)
        files[f"fixtures/{place.folder}/vocab.txt"] = _vocabulary(made.rules)
    document = json.dumps(facts, indent=2, allow_nan=False) + "\n"
    texts = {
        "contract.json": document,
        "build.gradle.kts": documents.build(place, made.chosen.runtime),
        "consumer-rules.pro": (ASSETS / "consumer-rules.pro").read_text("utf-8"),
        "src/main/AndroidManifest.xml": "<manifest />\n",
        "LICENSE": documents.license_text(made.license, made.chosen.runtime),
        **_sources(made),
    }
    files |= {name: text.encode() for name, text in texts.items()}
    files |= _samples(made)
    readme = documents.readme(
        made.bundle, made.chosen, place, facts, overload=_overloads(made)[-1]
    )
    bill = documents.bill(made.bundle, made.chosen.runtime, place, facts)
    return {**files, "README.md": readme.encode(), "sbom.cdx.json": bill}


def _overloads(made: _Made) -> list[dict[str, Any]]:
    return kotlin.overloads(made.facts, text=made.rules is not None)


def _sources(made: _Made) -> dict[str, str]:
    """The Kotlin files by path."""
    path = made.place.namespace.replace(".", "/")
    pictures = any(one["image"] for one in made.facts["inputs"])
    found = {}
    for asset in sorted((ASSETS / "main").glob("*.kt")):
        needed = {_WORDS: made.rules is not None, _PICTURES: pictures}
        if needed.get(asset.name, True):
            code = asset.read_text("utf-8").replace(
                "NAMESPACE", made.place.namespace, 1
            )
            found[f"src/main/kotlin/{path}/{asset.name}"] = code
    name, text = made.place.name, made.rules is not None
    tests = kotlin.tests(made.facts, made.place, made.fixtures, text=text)
    return {
        **found,
        f"src/main/kotlin/{path}/{name}.kt": kotlin.model_class(
            made.facts, made.place, made.rules
        ),
        f"src/sharedTest/kotlin/{path}/Fixtures.kt": tests["Fixtures.kt.j2"],
        f"src/test/kotlin/{path}/{name}Test.kt": tests["UnitTest.kt.j2"],
        f"src/androidTest/kotlin/{path}/{name}DeviceTest.kt": tests["DeviceTest.kt.j2"],
    }


def _samples(made: _Made) -> dict[str, bytes]:
    """The files of the tests."""
    one = made.fixtures
    parts = {
        "numbers": one.raw,
        "prepared": one.prepared,
        "output": one.outputs,
    }
    floats = {
        f"{part}_{number}": values
        for part, arrays in parts.items()
        for number, values in enumerate(arrays)
    }
    floats["answer"] = one.answers
    found = {}
    if one.picture is not None:
        floats["picture"] = one.picture.prepared
        found["picture.png"] = one.picture.png
        found["picture.argb"] = one.picture.argb.astype("<u4").tobytes()
    found |= {f"{k}.f32": v.astype("<f4").tobytes() for k, v in floats.items()}
    return {f"fixtures/{made.place.folder}/{name}": c for name, c in found.items()}
