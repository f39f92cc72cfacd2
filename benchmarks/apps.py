"""Packages of a bundle's files for applications, each run and timed: `results/apps.json`.

    python -m benchmarks.apps build/host ...

Every file of a bundle that a browser runs becomes a package for web pages. A page of a headless
Chromium answers up to 100 of the bundle's calibration samples through it, texts where the bundle
has a tokenizer; the same file answers them on its own runtime on this machine. Latencies are of
`edgekit bench`'s protocol: fresh processes of the browser, isolated pages, all files of a bundle in
turns. The download is that of a page on one thread, each file compressed with gzip -9.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from benchmarks.results import Row, Table, processor
from edgekit.agent.arrays import arranged
from edgekit.agent.serving.boxes import detections
from edgekit.agent.serving.encode import TextEncoder
from edgekit.bench import protocol
from edgekit.bench.artifact import artifact_at
from edgekit.devices.browser import chromium
from edgekit.devices.browser.device import BrowserDevice
from edgekit.devices.browser.site import DONE, Site
from edgekit.devices.local import LocalDevice
from edgekit.errors import UsageError
from edgekit.evaluate.run import run_on
from edgekit.package import PackageRequest, contract, kinds
from edgekit.package.contract import Chosen
from edgekit.package.fixtures import artifact_of
from edgekit.package.opened import Bundle, open_bundle
from edgekit.package.web import packaging
from edgekit.progress import Silent
from edgekit.runtimes import browser, npm
from edgekit.runtimes.browser import WebRuntime
from edgekit.store import Store
from edgekit.types import Artifact, Measurement

SAMPLES = 100
INTEGERS = ("int32", "int64")
READER = "@huggingface/tokenizers"
PAGE = """<!doctype html><meta charset="utf-8"><script type="importmap">%s</script>
<script type="module">
let reply;
try {
  const { load } = await import("./package/index.js");
  const { answer } = await import("./package/postprocess.js");
  const model = await load();
  const found = [];
  for (const sample of await (await fetch("samples.json")).json()) {
    const text = typeof sample === "string";
    const outputs = await model.infer(text ? await model.prepared(sample) : sample);
    const { boxes = [] } = answer(model.contract, outputs);
    found.push({
      outputs: Object.values(outputs).map(({ values }) => [...values]),
      boxes: boxes.map(({ box, score, index }) => [...box, score, index]),
    });
  }
  reply = { found };
} catch (error) {
  reply = { error: String(error.stack) };
}
await fetch("result", { method: "POST", body: JSON.stringify(reply) });
</script>
"""
Array = np.ndarray[Any, Any]


def main() -> None:
    """Write a row for each bundle and file that a browser runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", nargs="+", type=Path)
    table = Table("apps", ("package", "runtime", "artifact"), ("numpy",))
    for folder in parser.parse_args().bundles:
        for row in rows(open_bundle(folder)):
            print(json.dumps(row))
            table.add(row, summary)


def summary(rows: list[Row]) -> Mapping[str, Any]:
    """The fastest file of each bundle that gives the native outputs."""
    found = {}
    timed = [row for row in rows if row["p50_ms"] is not None]
    for row in sorted(timed, key=lambda one: -one["p50_ms"]):
        if row["agrees"] == 1 and row["valid"]:
            found[row["package"]] = row["artifact"]
    return {"ships": found}


def rows(bundle: Bundle) -> list[Row]:
    """Of every file of the bundle that a browser runs."""
    chosen = []
    for candidate in bundle.report["candidates"]:
        try:
            chosen.append(
                contract.choose(bundle, candidate["artifact"]["name"], browser.known())
            )
        except UsageError as error:
            print(f"left out: {error}")
    artifacts = [artifact_at(one.file) for one in chosen]
    measured = protocol.measure(
        artifacts, BrowserDevice(Store()), tier="quick", threads=1
    )
    return [
        row(bundle, one, artifact, measured[artifact.name])
        for one, artifact in zip(chosen, artifacts, strict=True)
    ]


def row(
    bundle: Bundle,
    chosen: Chosen[WebRuntime],
    artifact: Artifact,
    measured: Measurement,
) -> Row:
    """Equality, latency and download of one file."""
    with tempfile.TemporaryDirectory() as name:
        out = packaged(bundle, chosen, Path(name) / "package")
        inputs, texts = samples_of(bundle)
        names = [one["name"] for one in chosen.artifact["inputs"]]
        numbers = [
            {
                name: values.ravel().tolist()
                for name, values in zip(names, one, strict=True)
            }
            for one in zip(*inputs, strict=True)
        ]
        found, boxes = in_page(bundle, chosen, out, texts or numbers)
        own = native(artifact_of(chosen), inputs)
        download = compressed(bundle, chosen, out)
    same = agreeing(found, own, boxes, bundle, contract.facts(bundle, chosen))
    pairs = zip(found, own, strict=True)
    return {
        "package": f"web: {bundle.name}",
        "artifact": chosen.artifact["name"],
        "runtime": f"{chosen.runtime.title} {chosen.runtime.version}",
        "samples": len(inputs[0]),
        "agrees": float(np.mean(same)),
        "max_deviation": max(float(np.abs(one - other).max()) for one, other in pairs),
        "p50_ms": measured.latency.p50_ms,
        "launch_p50_ms": list(measured.latency.launch_p50_ms),
        "provenance": f"{measured.provenance} ({measured.device})",
        "browser": chromium.version(),
        "timer_us": round(measured.conditions.timer_us or 0.0, 3) or None,
        "valid": not measured.invalid,
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "load_average": os.getloadavg()[0],
        "download_bytes": sum(download.values()),
        "model_bytes": download["model"],
    }


def agreeing(
    found: Sequence[Array],
    own: Sequence[Array],
    boxes: Sequence[Array],
    bundle: Bundle,
    facts: Mapping[str, Any],
) -> Sequence[bool]:
    """For each sample, of each place where the task labels places, whether the application decides
    as the device does: the same class, or all boxes within a hundredth of a pixel.

    `found` and `own` are the outputs (n, numbers), `boxes` those that the application read of its
    own outputs (boxes, 6): corners, score and class.
    """
    decoder = bundle.manifest["contract"].get("decoder")
    if decoder is not None:
        expected = decoded(own, decoder, facts)
        return [alike(*pair) for pair in zip(boxes, expected, strict=True)]
    number = [one["name"] for one in facts["outputs"]].index(
        (facts["reads"] or [facts["outputs"][0]["name"]])[0]
    )
    shape = facts["outputs"][number]["shape"][1:]
    axis = facts["axis"] if facts["form"] == "classes" else -1
    one, other = (
        values[number].reshape(-1, *shape).argmax(axis) for values in (found, own)
    )
    return [bool(same) for same in (one == other).ravel()]


def decoded(
    outputs: Sequence[Array], decoder: Mapping[str, Any], facts: Mapping[str, Any]
) -> list[Array]:
    """Boxes of each sample as the device reads them: corners, score and class."""
    names = [one["name"] for one in facts["outputs"]]
    numbers = [names.index(name) for name in facts["reads"] or names[:1]]
    shapes = [facts["outputs"][number]["shape"][1:] for number in numbers]
    rows = []
    for sample in range(len(outputs[0])):
        parts = [
            outputs[n][sample].reshape(s) for n, s in zip(numbers, shapes, strict=True)
        ]
        found = detections(np.concatenate(parts, -1), decoder)
        rows.append(np.column_stack([found.boxes, found.scores, found.classes]))
    return rows


def alike(one: Array, other: Array) -> bool:
    """True for the same boxes (boxes, 6) in two lists, in any order."""
    if one.shape != other.shape:
        return False
    one, other = (rows[np.lexsort(rows.round(1).T)] for rows in (one, other))
    same_classes = (one[:, 5] == other[:, 5]).all()
    return bool(same_classes and np.allclose(one[:, :5], other[:, :5], atol=0.01))


def packaged(bundle: Bundle, chosen: Chosen[WebRuntime], out: Path) -> Path:
    """The package of one file."""
    kind = kinds()["web"]
    options: dict[str, Any] = {option.name: option.empty for option in kind.options}
    options |= {"out": out, "artifact": chosen.artifact["name"]}
    kind.package(
        PackageRequest(
            bundle=bundle.folder, options=options, store=Store(), progress=Silent()
        )
    )
    return out


def samples_of(bundle: Bundle) -> tuple[list[Array], list[str]]:
    """Up to 100 calibration samples: the network's inputs (n, ...), in order, and texts.

    Texts are there where the bundle has a tokenizer, which made them of calibration samples, and
    the inputs of them again.
    """
    tensors = bundle.manifest["contract"]["inputs"]
    names = [one["name"] for one in tensors]
    with np.load(bundle.folder / "calibration.npz") as held:
        found = [held[n if n in held else "samples"][:SAMPLES] for n in names]
    # Calibration samples are float32, those of tokens too.
    found = [
        values.astype(one["dtype"]) if one["dtype"] in INTEGERS else values
        for values, one in zip(found, tensors, strict=True)
    ]
    if bundle.text is None:
        return found, []
    content = (bundle.folder / str(bundle.text["tokenizer"])).read_text("utf-8")
    [ids] = [name for name, part in bundle.text["inputs"].items() if part == "ids"]
    reader = Tokenizer.from_str(content)
    texts = [reader.decode(row.tolist()) for row in found[names.index(ids)]]
    rows = TextEncoder(content, bundle.text).encode(texts)
    return [rows[name] for name in names], texts


def in_page(
    bundle: Bundle, chosen: Chosen[WebRuntime], out: Path, given: Sequence[Any]
) -> tuple[list[Array], list[Array]]:
    """Outputs (n, numbers) of the package in a page for texts, or prepared numbers by input, and
    the boxes (boxes, 6) of each sample of a detector."""
    needed = packaging.imports(chosen, text=bundle.text is not None)
    own = chosen.runtime.imports
    places = {
        name: f"./{'runtime' if name in own else 'texts'}/{file}"
        for name, file in needed.items()
    }
    page = PAGE % json.dumps({"imports": places})
    site = Site(
        folders={
            "package": out,
            "runtime": chosen.runtime.files(Store()),
            "texts": tokenizers(bundle) or out,
        },
        texts={"page.html": page.encode(), "samples.json": json.dumps(given).encode()},
    )
    reply = json.loads(chromium.visit(site, "page.html", timeout_s=300)[DONE])
    if "error" in reply:
        raise SystemExit(f"{chosen.artifact['name']}: {reply['error']}")
    outputs = zip(*(one["outputs"] for one in reply["found"]), strict=True)
    boxes = [np.array(one["boxes"]).reshape(-1, 6) for one in reply["found"]]
    return [np.asarray(one, np.float32) for one in outputs], boxes


def native(artifact: Artifact, inputs: Sequence[Array]) -> list[Array]:
    """Outputs (n, numbers) of the file on its own runtime on this machine."""
    pairs = zip(inputs, artifact.inputs, strict=True)
    feeds = [arranged(values, spec.layout) for values, spec in pairs]
    found = run_on(LocalDevice(), artifact, feeds).real(artifact.outputs)
    return [one.reshape(len(inputs[0]), -1) for one in found]


def tokenizers(bundle: Bundle) -> Path | None:
    """The package of npm that reads texts, as `node_modules`; `None` without texts."""
    if bundle.text is None:
        return None
    return npm.installed(packaging.TOKENIZERS, [f"{READER}/dist/*"], Store())


def compressed(bundle: Bundle, chosen: Chosen[WebRuntime], out: Path) -> dict[str, int]:
    """Bytes that a page downloads: the runtime, the package's modules, the model, and what reads
    texts."""
    modules, reader = chosen.runtime.files(Store()), tokenizers(bundle)
    code = sorted(out.glob("*.js"))
    texts = [] if reader is None else [out / "tokenizer.json", *reader.rglob("*.mjs")]
    return {
        "runtime": zipped([modules / file for file in chosen.runtime.downloads]),
        "texts": zipped(texts),
        "code": zipped(code),
        "model": zipped([out / f"model{chosen.file.suffix}"]),
    }


def zipped(files: Sequence[Path]) -> int:
    """Bytes of files, each compressed by itself."""
    return sum(len(gzip.compress(file.read_bytes(), 9)) for file in files)


if __name__ == "__main__":
    main()
