"""The contract of an artifact on the terminal: `edgekit inspect model.tflite`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from edgekit import sources
from edgekit.errors import UsageError
from edgekit.runtimes import contract, registry
from edgekit.suggestions import suggest_path


def is_artifact(reference: str) -> bool:
    """Return whether `inspect` shows an artifact's own contract: it has one, or it is not a network
    either."""
    path = Path(reference)
    if registry.of_file(path) is None:
        return False
    network = path.is_file() and sources.matching(reference, Path()) is not None
    return not network or contract.read(path) is not None


def contract_of(path: Path) -> dict[str, Any]:
    """The metadata of an artifact; raises `UsageError` where it has none."""
    if not path.is_file():
        raise UsageError(
            f"No file {path}.{suggest_path(path)} Name {registry.described()}."
        )
    found = contract.read(path)
    if found is None:
        raise UsageError(
            f"{path} has no metadata: EdgeKit did not write it, or an older one did. "
            "Build it again, or read it with its format's own tools."
        )
    return found


def show_contract(name: str, metadata: Mapping[str, Any], console: Console) -> None:
    """Print what an artifact takes, returns and wants done before."""
    labels = metadata.get("labels") or ()
    console.print(
        f"[bold]{escape(name)}[/] {escape(str(metadata.get('precision')))}, made by EdgeKit "
        f"{escape(str(metadata.get('edgekit')))} from {str(metadata.get('source_sha256'))[:12]}",
        highlight=False,
    )
    for way in ("inputs", "outputs"):
        for one in metadata.get(way, ()):
            shape = "x".join(map(str, one["shape"]))
            layout = f" {one['layout']}" if one.get("layout") else ""
            console.print(
                f"  {way[:-1]} {escape(one['name'])}: {shape}{layout} {one['dtype']}",
                highlight=False,
            )
    alone = metadata.get("preprocessing")
    own = {
        f" of {x['name']}": x.get("preprocessing") for x in metadata.get("inputs", ())
    }
    for name, how in ({"": alone} if alone else own).items():
        steps = ", ".join(f"{k} {v}" for k, v in (how or {}).items() if v is not None)
        line = f"  preprocessing{escape(name)}: {escape(steps)}"
        console.print(line, highlight=False, soft_wrap=True)
    text = metadata.get("text")
    if text:
        each = "pair of texts" if text["pair"] else "text"
        said = (
            f"  text: {text['length']} tokens for each {each}, by {text['tokenizer']} of "
            f"{text['vocabulary']} tokens ({str(text['sha256'])[:12]})"
        )
        console.print(escape(said), highlight=False, soft_wrap=True)
    folded = metadata.get("folded") or {}
    raw = ", ".join(one["name"] for one in folded.get("inputs") or ())
    inside = [
        *(["preprocessing"] if folded.get("preprocess") else []),
        *([f"preprocessing of {escape(raw)}"] if raw else []),
        *([folded["postprocess"]] if folded.get("postprocess") else []),
    ]
    if inside:
        console.print(f"  in the file: {', '.join(inside)}", highlight=False)
    if labels:
        few = ", ".join(map(str, labels[:8])) + (", ..." if len(labels) > 8 else "")
        console.print(f"  {len(labels)} labels: {escape(few)}", highlight=False)
