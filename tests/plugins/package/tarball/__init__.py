"""A toy kind of package: the bundle's files in one archive."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence

from edgekit.bundle_files import read_manifest
from edgekit.package import Option, Packaged, PackageKind, PackageRequest


def _package(request: PackageRequest) -> Sequence[Packaged]:
    _, manifest = read_manifest(request.bundle)
    out = request.options["out_file"] or request.bundle.with_suffix(".tar")
    with tarfile.open(out, "w") as archive:
        for entry in manifest.files:
            archive.add(request.bundle / entry.path, entry.path)
    sizes = {entry.path: entry.size_bytes for entry in manifest.files}
    facts = {"file": str(out), "files": len(sizes)}
    return [Packaged(title=str(out), facts=facts, parts_bytes=sizes)]


RECORD = PackageKind(
    help="As one archive.",
    package=_package,
    options=(Option(name="out_file", form="path", help="The archive."),),
)
