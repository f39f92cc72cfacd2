"""`edgekit package --web`: a folder that `npm publish` and `npm install` take as it is."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit.errors import UsageError
from edgekit.package import (
    Packaged,
    PackageRequest,
    card,
    contract,
    output_folder,
    sbom,
)
from edgekit.package.contract import Chosen
from edgekit.package.opened import Bundle, open_bundle
from edgekit.package.sbom import Component, Subject
from edgekit.package.web import token_samples, typescript
from edgekit.runtimes import browser, npm
from edgekit.runtimes.browser import WebRuntime

_ASSETS = Path(__file__).parent / "assets"
TOKENIZERS = Path(__file__).parent / "tokenizers"
_TOKENIZERS = "@huggingface/tokenizers"
_TEXT = "text.js"
_OF_NPM = ("node_modules", "package-lock.json")
_RELEASE = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")
_INDEX = """// Generated from the contract of the model: do not edit.
import * as adapter from "./runtime.js";
import {{ contract }} from "./contract.js";
import {{ ModelError, open }} from "./model.js";

export {{ contract, ModelError }};
export const labels = contract.labels;

const addresses = {{
  model: new URL("./{model}", import.meta.url),{tokenizer}
  runtimeFiles: () => new URL({assets}, import.meta.resolve({package})).href,
}};

export function load(options = {{}}) {{
  return open(contract, adapter, addresses, options);
}}
"""


def package(request: PackageRequest) -> Sequence[Packaged]:
    """The folder of a package of npm; raises `UsageError` for a bundle that no browser runs,
    `OutputError` where the folder cannot be written."""
    options = request.options
    release, license = _release(options), output_folder.license_of(options["license"])
    bundle = open_bundle(request.bundle)
    chosen = contract.choose(bundle, options["artifact"], browser.known())
    files = _files(bundle, chosen, release, license)
    out = output_folder.folder(options["out"], bundle, "web")
    output_folder.write(out, files, beside=_OF_NPM)
    sizes = {name: len(content) for name, content in files.items()}
    facts = {
        "folder": str(out),
        "artifact": chosen.artifact["name"],
        "runtime": f"{chosen.runtime.package}@{chosen.runtime.version}",
        "package_bytes": sum(sizes.values()),
        "note": chosen.note,
    }
    return [
        Packaged(
            title=f"{out}/  {chosen.artifact['name']} on {chosen.runtime.title}",
            facts=facts,
            parts_bytes=sizes,
            note=chosen.note,
        )
    ]


def _release(options: Mapping[str, Any]) -> str:
    release = str(options["release"] or "1.0.0")
    if not _RELEASE.fullmatch(release):
        raise UsageError(f"--release {release!r} is not a version. Write it as 1.0.0.")
    return release


def _files(
    bundle: Bundle, chosen: Chosen[WebRuntime], release: str, license: str
) -> dict[str, bytes]:
    """Content of the package by path."""
    facts = contract.facts(bundle, chosen)
    if bundle.text is not None:
        facts["text"]["samples"] = token_samples.of(bundle)
    locks = [chosen.runtime.folder, *([TOKENIZERS] if bundle.text else [])]
    files = {
        path.relative_to(_ASSETS).as_posix(): path.read_bytes()
        for path in sorted(_ASSETS.rglob("*"))
        if path.is_file() and (path.name != _TEXT or bundle.text)
    }
    files[facts["model"]["file"]] = chosen.file.read_bytes()
    if bundle.text is not None:
        name = str(bundle.text["tokenizer"])
        files[name] = (bundle.folder / name).read_bytes()
    document = json.dumps(facts, indent=2, allow_nan=False)
    texts = {
        "contract.js": "// Generated: what the model takes and gives.\n"
        f"export const contract = {document};\n",
        "index.js": _index(facts, chosen),
        "index.d.ts": typescript.declarations(facts),
        "runtime.js": chosen.runtime.adapter,
        "package.json": _manifest(bundle, chosen, release, license),
        "demo/imports.js": _imports(chosen, bundle),
        "README.md": card.readme(bundle, chosen.artifact, _usage(facts, chosen)),
        "LICENSE": card.license_text(
            license, [o for f in locks for o in npm.locked(f)]
        ),
    }
    files |= {name: text.encode() for name, text in texts.items()}
    return {**files, "sbom.cdx.json": _bill(bundle, facts, files, locks)}


def _index(facts: Mapping[str, Any], chosen: Chosen[WebRuntime]) -> str:
    text = facts["text"]
    entry = chosen.runtime.imports[next(iter(chosen.runtime.imports))]
    up = "../" * entry.count("/")
    return _INDEX.format(
        model=facts["model"]["file"],
        tokenizer=""
        if text is None
        else f'\n  tokenizer: new URL("./{text["tokenizer"]}", import.meta.url),',
        assets=json.dumps(f"{up}{chosen.runtime.assets}/"),
        package=json.dumps(next(iter(chosen.runtime.imports))),
    )


def npm_name(project: str) -> str:
    """A project's name as npm takes names."""
    return re.sub(r"[^a-z0-9._-]+", "-", project.lower()).strip("-._")[:200] or "model"


def _manifest(
    bundle: Bundle, chosen: Chosen[WebRuntime], release: str, license: str
) -> str:
    needs = {chosen.runtime.package: chosen.runtime.version}
    if bundle.text is not None:
        needs[_TOKENIZERS] = npm.version(TOKENIZERS, _TOKENIZERS)
    document = {
        "name": npm_name(bundle.name),
        "version": release,
        "description": f"{bundle.name}: a model for web pages, made by EdgeKit",
        "license": license,
        "type": "module",
        "main": "./index.js",
        "types": "./index.d.ts",
        "exports": {
            ".": {"types": "./index.d.ts", "default": "./index.js"},
            "./package.json": "./package.json",
        },
        "sideEffects": False,
        "scripts": {"demo": "node demo/serve.mjs"},
        "dependencies": needs,
    }
    return json.dumps(document, indent=2) + "\n"


def imports(chosen: Chosen[WebRuntime], *, text: bool) -> dict[str, str]:
    """Names that the package's modules import -> files below `node_modules`."""
    more = {_TOKENIZERS: f"{_TOKENIZERS}/dist/tokenizers.mjs"} if text else {}
    return {**chosen.runtime.imports, **more}


def _imports(chosen: Chosen[WebRuntime], bundle: Bundle) -> str:
    known = imports(chosen, text=bundle.text is not None)
    document = {
        "imports": {name: f"/node_modules/{file}" for name, file in known.items()}
    }
    return (
        "// Generated: where the demo page finds what the package depends on.\n"
        'const map = document.createElement("script");\n'
        'map.type = "importmap";\n'
        f"map.textContent = JSON.stringify({json.dumps(document)});\n"
        "document.currentScript.after(map);\n"
    )


def _usage(facts: Mapping[str, Any], chosen: Chosen[WebRuntime]) -> str:
    sample = "text" if facts["text"] else "sample"
    if any(one["image"] for one in facts["inputs"]):
        sample = "picture"
    return f"""```js
import {{ load }} from "{npm_name(facts["name"])}";

const model = await load();
const answer = await model.run({sample});
```

`npm install && npm run demo` shows it on a page. The runtime is {chosen.runtime.title}
{chosen.runtime.version}. Its .wasm files are served by the application: where its bundler moves
them, `load({{ runtimeFiles }})` names the folder. Several threads need a page that is cross-origin
isolated; elsewhere the model runs on one.
"""


def _bill(
    bundle: Bundle,
    facts: Mapping[str, Any],
    files: Mapping[str, bytes],
    locks: Sequence[Path],
) -> bytes:
    components = [
        Component(
            name=one.name,
            version=one.version,
            purl=f"pkg:npm/{one.name.replace('@', '%40')}@{one.version}",
            digest=one.sha512,
            algorithm="SHA-512",
            license=one.license,
        )
        for lock in locks
        for one in npm.locked(lock)
    ]
    model = facts["model"]["file"]
    subject = Subject(name=npm_name(bundle.name), kind="library", epoch=bundle.epoch)
    digest = hashlib.sha256(files[model]).hexdigest()
    return sbom.document(subject, components, [(model, digest)])
