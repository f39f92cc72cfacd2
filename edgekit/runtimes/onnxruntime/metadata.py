"""Metadata of an ONNX file, in its `metadata_props`."""

from __future__ import annotations

from pathlib import Path

from edgekit.runtimes.contract import KEY, Contract


def embed(path: Path, out: Path, contract: Contract, text: str) -> None:
    """Write the file at `path` to `out` with `text` in it."""
    import onnx

    model = onnx.load(str(path))
    kept = [one for one in model.metadata_props if one.key != KEY]
    given = [(one.key, one.value) for one in kept]
    del model.metadata_props[:]
    for key, value in [*given, (KEY, text)]:
        model.metadata_props.add(key=key, value=value)
    onnx.save_model(model, str(out))


def extract(path: Path) -> str | None:
    """The text in the file; `None` where it holds none."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    return next((str(o.value) for o in model.metadata_props if o.key == KEY), None)
