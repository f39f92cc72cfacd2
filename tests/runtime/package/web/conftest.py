"""Node and a browser that run what is packaged."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from edgekit.devices.browser import chromium
from edgekit.devices.browser.site import Site
from edgekit.package.web import packaging
from edgekit.runtimes import browser, npm
from edgekit.store import Store
from tests.packages import package_app

Script = Callable[[Path, str], Any]
Package = Callable[..., Path]
NODE = shutil.which("node")
NPM = shutil.which("npm")


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """A package for web pages of a bundle, in the folder `out`."""

    def made(bundle: Path, **options: Any) -> Path:
        given = {"out": tmp_path / "out", **options}
        return package_app("web", bundle, Store(), given)

    return made


@pytest.fixture
def script() -> Script:
    """Runs a module in a folder, and reads the JSON that it prints."""
    if NODE is None:
        pytest.skip("needs node: apt-get install nodejs")

    def run(folder: Path, code: str) -> Any:
        file = folder / "test.mjs"
        file.write_text(code)
        done = subprocess.run(
            [str(NODE), str(file)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        file.unlink()
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def modules(*, text: bool) -> Mapping[str, Path]:
    """Folders of the packages that texts need, by the first part of their path."""

    if not text:
        return {}
    files = ["@huggingface/tokenizers/package.json", "@huggingface/tokenizers/dist/*"]
    return {"node_modules": npm.installed(packaging.TOKENIZERS, files, Store())}


PAGE = """<!doctype html><meta charset="utf-8"><script type="importmap">%s</script>
<script type="module">
const post = (name, body) => fetch(name, { method: "POST", body });
try {
  const { load } = await import("./package/index.js");
  const samples = await (await fetch("samples.json")).json();
  const model = await load(%s);
  const found = [];
  for (const sample of samples) {
    const files = typeof sample === "string" && sample.startsWith("files/");
    const given = files ? await (await fetch(sample)).blob() : sample;
    found.push(%s);
  }
  await post("result", JSON.stringify({ found, isolated: crossOriginIsolated },
    (_, value) => (ArrayBuffer.isView(value) ? [...value] : value)));
} catch (error) {
  await post("result", JSON.stringify({ error: `${error.code}: ${error.stack}` }));
}
</script>
"""


USUAL = {
    "options": "",
    "step": "await model.run(given)",
    "files": None,
    "text": False,
    "isolated": True,
}


def visited(out: Path, samples: Sequence[Any], runtime: str, **given: Any) -> Any:
    """The answers of a page that uses the package, one a sample; a sample may name a file.

    `given` may have `options` of `load`, the `step` for a sample, a folder of `files`, and whether
    the page is `isolated` and its samples are `text`.
    """
    how = {**USUAL, **given}
    known = browser.known()[runtime]
    where = known.files(Store())
    more = {"@huggingface/tokenizers": "@huggingface/tokenizers/dist/tokenizers.mjs"}
    imports = {**known.imports, **(more if how["text"] else {})}
    folders = {
        "package": out,
        "runtime": where,
        "texts": modules(text=how["text"]).get("node_modules", out),
        "files": how["files"] or out,
    }
    places = {
        name: f"./{'texts' if name in more else 'runtime'}/{file}"
        for name, file in imports.items()
    }
    page = PAGE % (json.dumps({"imports": places}), how["options"], how["step"])
    site = Site(
        folders=folders,
        texts={
            "page.html": page.encode(),
            "samples.json": json.dumps(samples).encode(),
        },
        isolated=how["isolated"],
    )
    found = json.loads(chromium.visit(site, "page.html", timeout_s=120)["result"])
    assert "error" not in found, found["error"]
    assert found["isolated"] is how["isolated"]
    return found["found"]
