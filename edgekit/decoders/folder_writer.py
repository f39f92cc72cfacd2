"""Writes a decoder's folder: configuration, shards one at a time, and the tokenizer's files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from edgekit import scratch
from edgekit.errors import OutputError
from edgekit.sources.huggingface.files import CONFIG
from edgekit.sources.huggingface.tensors import INDEX, WHOLE

CUT = "edgekit_cut.json"
"""The blocks that stayed in a cut decoder, by their numbers in the uncut one."""
COPIED = (
    "tokenizer*.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", "chat_template*", "generation_config.json",
    "LICENSE*", "NOTICE*", CUT,
)  # fmt: skip
"""Files beside the weights that a smaller decoder needs as well."""


def write(
    out: Path,
    config: Mapping[str, Any],
    shards: Iterable[Mapping[str, Tensor]],
    *,
    files_of: Path,
    kept: Sequence[int] | None = None,
) -> None:
    """Write the folder `out`, whole or not at all, with one shard in memory at a time.

    The tokenizer, chat template and licenses are copied from `files_of`. `kept` are the numbers of
    the blocks in the decoder that they were cut from. Raises `OutputError`
    where `out` has files in it, or cannot be written.
    """
    with new_folder(out) as made:
        copy_files(files_of, made)
        (made / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
        if kept is not None:
            (made / CUT).write_text(json.dumps({"blocks": list(kept)}) + "\n")
        _write_shards(made, shards)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `out` where the block succeeds and leaves nothing else.

    Raises `OutputError` where `out` has files in it, or cannot be written.
    """
    check_free(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with scratch.folder(out.parent, of=out.name) as made:
            yield made
            if out.is_dir():
                out.rmdir()
            made.rename(out)
    except OSError as fault:
        raise OutputError(f"Cannot write {out} ({fault.strerror or fault}).") from fault


def check_free(out: Path) -> None:
    """Raise `OutputError` where `out` is a file, or a folder with files in it."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise OutputError(f"{out} is not empty. Name another folder, or remove it.")


def copy_files(source: Path, out: Path) -> None:
    """Copy the files of a decoder that are neither weights nor configuration nor code."""
    for file in source.iterdir():
        if file.is_file() and any(fnmatch(file.name, pattern) for pattern in COPIED):
            shutil.copyfile(file, out / file.name)


def _write_shards(folder: Path, shards: Iterable[Mapping[str, Tensor]]) -> None:
    places: dict[str, str] = {}
    total = 0
    stem, _, suffix = WHOLE[0].partition(".")
    for number, shard in enumerate(shards, 1):
        file = f"{stem}-{number:05d}.{suffix}"
        save_file(dict(shard), folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(shard, file)
        total += sum(t.numel() * t.element_size() for t in shard.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / f"{WHOLE[0]}{INDEX}").write_text(json.dumps(index, indent=2) + "\n")
