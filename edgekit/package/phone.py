"""The parts that packages for phones have in common: a file, its contract, samples for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.package import (
    Packaged,
    PackageRequest,
    contract,
    fixtures,
    output_folder,
    sbom,
)
from edgekit.package.contract import Chosen
from edgekit.package.fixtures import Fixtures
from edgekit.package.opened import Bundle, open_bundle
from edgekit.package.sbom import Component, Subject
from edgekit.package.tokenizer_rules import WordPieceRules, read
from edgekit.runtimes import mobile
from edgekit.runtimes.mobile import MobileRuntime, System


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts that the files of a package are made of."""

    bundle: Bundle
    chosen: Chosen[MobileRuntime]
    facts: Mapping[str, Any]
    rules: WordPieceRules | None
    """`None` where a sample is numbers, a picture or tokens."""
    fixtures: Fixtures
    license: str
    note: str

    @property
    def model(self) -> bytes:
        """The content of the model's file."""
        return self.chosen.file.read_bytes()

    @property
    def vocabulary(self) -> bytes:
        """A token a line; empty without rules."""
        tokens = self.rules.vocabulary if self.rules else ()
        return "".join(f"{token}\n" for token in tokens).encode()

    @property
    def samples(self) -> dict[str, bytes]:
        """The files of the tests by name: numbers of 32 bits, little end first."""
        one = self.fixtures
        arrays = {"numbers": one.raw, "prepared": one.prepared, "output": one.outputs}
        arrays |= {"drawn": one.drawn} if one.drawn else {}
        floats = {
            f"{part}_{number}": values
            for part, listed in arrays.items()
            for number, values in enumerate(listed)
        }
        floats["answer"] = one.answers
        found = {}
        if one.picture is not None:
            floats["picture"] = one.picture.prepared
            found["picture.png"] = one.picture.png
            found["picture.argb"] = one.picture.argb.astype("<u4").tobytes()
        return found | {
            f"{name}.f32": values.astype("<f4").tobytes()
            for name, values in floats.items()
        }


def parts(request: PackageRequest, system: System, host: str) -> Parts:
    """The parts of a request; `host` is where applications of `system` run.

    Raises `UsageError` for a bundle that no runtime there takes, `RuntimeMissing` without the
    file's runtime on this machine, which gives the tests their expected outputs.
    """
    options = request.options
    license = output_folder.license_of(options["license"])
    bundle = open_bundle(request.bundle)
    known = mobile.known(system)
    chosen = contract.choose(bundle, options["artifact"], known, host)
    facts = contract.facts(bundle, chosen)
    rules = read(bundle)
    notes = [chosen.note]
    if isinstance(rules, str):
        notes.append(f"the class takes tokens, not texts: {rules}")
    return Parts(
        bundle=bundle,
        chosen=chosen,
        facts=facts,
        rules=None if isinstance(rules, str) else rules,
        fixtures=fixtures.made(bundle, chosen, facts),
        license=license,
        note="; ".join(filter(None, notes)),
    )


def written(
    made: Parts,
    request: PackageRequest,
    kind: str,
    files: Mapping[str, bytes],
    name: str,
) -> Packaged:
    """The folder of `files`, which are of the class `name`; raises `OutputError`."""
    out = output_folder.folder(request.options["out"], made.bundle, kind)
    output_folder.write(out, files, beside=("build", ".gradle", ".build", ".swiftpm"))
    sizes = {path: len(content) for path, content in files.items()}
    runtime, artifact = made.chosen.runtime, made.chosen.artifact["name"]
    return Packaged(
        title=f"{out}/  {artifact} on {runtime.title}",
        facts={
            "folder": str(out),
            "artifact": artifact,
            "runtime": f"{runtime.package}:{runtime.version}",
            "class": name,
            "package_bytes": sum(sizes.values()),
            "note": made.note,
        },
        parts_bytes=sizes,
        note=made.note,
    )


def bill(
    made: Parts,
    name: str,
    others: Sequence[Component] = (),
    files: Mapping[str, bytes] | None = None,
) -> bytes:
    """The bill of the package `name`: the model, further `files`, its runtime and `others`.

    Registries of phones' libraries name no hash that a build here could read.
    """
    runtime = made.chosen.runtime
    library = Component(
        name=runtime.name,
        version=runtime.version,
        purl=runtime.purl,
        digest=None,
        license=runtime.license,
    )
    subject = Subject(name=name, kind="library", epoch=made.bundle.epoch)
    model = (made.facts["model"]["file"], sha256(made.model))
    more = [(path, sha256(content)) for path, content in (files or {}).items()]
    return sbom.document(subject, [library, *others], [model, *more])


def sha256(content: bytes) -> str:
    """In hex."""
    return hashlib.sha256(content).hexdigest()
