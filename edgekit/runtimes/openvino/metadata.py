"""Metadata of an OpenVINO file, in its `rt_info`."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from edgekit.runtimes.contract import KEY, Contract


def embed(path: Path, out: Path, contract: Contract, text: str) -> None:
    """Write the file at `path` to `out` with `text` in it.

    Into the IR's own XML: saving through OpenVINO would write the weights once more.
    """
    tree = ElementTree.parse(path)
    about = tree.getroot()
    for name in ("rt_info", "model_info", KEY):
        inner = about.find(name)
        about = ElementTree.SubElement(about, name) if inner is None else inner
    about.set("value", text)
    tree.write(out, encoding="utf-8", xml_declaration=True)


def extract(path: Path) -> str | None:
    """The text in the file; `None` where it holds none."""
    found = ElementTree.parse(path).getroot().find(f"rt_info/model_info/{KEY}")
    return None if found is None else found.get("value")
