"""The calls of the documentation for React Native, as TypeScript takes them with the npm packages'
own types."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edgekit.runtimes import npm
from edgekit.store import Store
from tests.runtime.package.web.conftest import NODE, NPM
from tests.runtime.package.web.test_types import LOCK as TYPESCRIPT

ROOT = Path(__file__).parents[3]
LOCK = Path(__file__).parent / "react_native"
PACKAGES = (
    "onnxruntime-common",
    "onnxruntime-react-native",
    "react-native-fast-tflite",
)
OPTIONS = {
    "strict": True,
    "noEmit": True,
    "target": "es2022",
    "module": "esnext",
    "moduleResolution": "bundler",
    "lib": ["es2022", "dom"],
    "types": [],
    # React Native's own types are not there.
    "skipLibCheck": True,
}
WRONG = """
async function wrong(values: Float32Array<ArrayBuffer>) {
  const model = await loadTensorflowModel({ url: "model.tflite" }, []);
  // @ts-expect-error: buffers, not arrays
  await model.run(["values"]);
  // @ts-expect-error: a type that no tensor has
  return new Tensor("float31", values, [1]);
}
"""


@pytest.mark.skipif(not (NODE and NPM), reason="needs npm: apt-get install npm")
def test_the_calls_of_the_page_compile_and_wrong_ones_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs/apps.md").read_text("utf-8")
    [block] = re.findall(r"```ts\n(.*?)```", page, re.S)
    for one in ("onnxruntime-react-native", "react-native-fast-tflite"):
        assert f"`{one}` ({npm.version(LOCK, one)}" in page
    # React Native itself, which the packages ask for, is 200 MB and not needed for types.
    monkeypatch.setenv("npm_config_legacy_peer_deps", "true")
    store = Store()
    types = [f"{one}/**/*" for one in ("*", "@*/*")]
    modules = npm.installed(LOCK, types, store)
    shutil.copytree(modules, tmp_path / "node_modules")
    (tmp_path / "page.ts").write_text(f"{block}{WRONG}")
    (tmp_path / "tsconfig.json").write_text(
        json.dumps({"compilerOptions": OPTIONS, "files": ["page.ts"]})
    )
    compiler = npm.installed(TYPESCRIPT, ["typescript/lib/*"], store)
    done = subprocess.run(
        [str(NODE), str(compiler / "typescript/lib/tsc.js"), "-p", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
