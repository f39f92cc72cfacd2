"""Generated types, as TypeScript's own compiler takes them: wrong use is an error."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edgekit.package import contract
from edgekit.package.opened import open_bundle
from edgekit.package.web import typescript
from edgekit.runtimes import browser, npm
from edgekit.store import Store
from tests.heads import case
from tests.packages import PREPROCESS, write_bundle
from tests.runtime.package.web.conftest import NODE, NPM
from tests.unit.package.web.conftest import artifact

LOCK = Path(__file__).parent / "typescript"
OPTIONS = {
    "strict": True,
    "noEmit": True,
    "target": "es2022",
    "module": "nodenext",
    "lib": ["es2022", "dom"],
    "types": [],
    "skipLibCheck": False,
}
RIGHT = """import { load, ModelError, type Answer, type Label } from "./%s/index.js";
"""
CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "picture": (
        {"labels": ["cat", 'a "dog"']},
        "const { label, score, scores } = await (await load({ threads: 2 })).run(new Blob());\n"
        "const known: Label = label; const p: number = scores['a \"dog\"'] + score;",
        "const wrong: 'bird' = label;",
    ),
    "numbers": (
        {"inputs": ((1, 40),), "task": "regression"},
        "const { outputs } = await (await load()).run([1, 2]);\n"
        "const first: number = outputs.y0[0]!;",
        "await (await load()).run(new Blob());",
    ),
    "places": (
        {"task": "segmentation", "outputs": ((1, 3, 8, 8),)},
        "const { classes, shape } = await (await load()).run(new Uint8Array(64));\n"
        "const row: Int32Array = classes.subarray(0, shape[1]);",
        "(await (await load()).run([1])).label;",
    ),
    "boxes": (
        {"task": "detection", "outputs": ((1, 9, 6),)},
        "const { boxes } = await (await load()).run([1]);\n"
        "const [x, y, w, h]: number[] = boxes[0]!.box;",
        "await load({ accelerator: 'npu' });",
    ),
    "decoded": (
        {
            "task": "detection",
            "outputs": ((1, 9, 6),),
            "labels": ["cell", "none"],
            "decoder": case("boxes", 1).how,
        },
        "const { boxes } = await (await load()).run(new Blob());\n"
        "const [x1, , x2]: [number, number, number, number] = boxes[0]!.box;\n"
        "const kind: 'cell' | 'none' = boxes[0]!.label; const width: number = x2 - x1;",
        "const wrong: 'bird' = (await (await load()).run(new Blob())).boxes[0]!.label;",
    ),
    "several": (
        {"inputs": ((1, 1, 8, 8), (1, 4)), "outputs": ((1, 2), (1, 3))},
        "const { outputs } = await (await load()).run({ x0: new Blob(), x1: [1, 2, 3, 4] });\n"
        "const both: number = outputs.y0.length + outputs.y1.length;",
        "await (await load()).run({ x0: new Blob() });",
    ),
}


@pytest.mark.skipif(not (NODE and NPM), reason="needs npm: apt-get install npm")
def test_right_use_compiles_and_each_wrong_one_is_an_error(tmp_path: Path) -> None:
    for name, (changes, right, wrong) in CASES.items():
        write_package(tmp_path, name, changes)
        head = RIGHT % name
        (tmp_path / f"{name}.mts").write_text(f"{head}{right}\n")
        # The compiler reports an expected error that does not come.
        (tmp_path / f"{name}_wrong.mts").write_text(
            f"{head}{right}\n// @ts-expect-error\n{wrong}\n"
        )
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": OPTIONS}))
    files = ["typescript/lib/*"]
    compiler = npm.installed(LOCK, files, Store()) / "typescript/lib/tsc.js"
    done = subprocess.run(
        [str(NODE), str(compiler), "-p", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def write_package(folder: Path, name: str, changes: dict[str, Any]) -> None:
    place = folder / name
    place.mkdir()
    shapes = {k: v for k, v in changes.items() if k in ("inputs", "outputs")}
    rest = {k: v for k, v in changes.items() if k not in shapes}
    made = artifact(place, **shapes)
    how = [PREPROCESS] * len(made.inputs)
    bundle = open_bundle(write_bundle(place / "b", [made], preprocess=how, **rest))
    facts = contract.facts(bundle, contract.choose(bundle, None, browser.known()))
    (place / "index.d.ts").write_text(typescript.declarations(facts))
    (place / "package.json").write_text('{"type": "module"}')
