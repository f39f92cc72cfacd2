"""Cuts the vocabulary of a decoder's folder to the tokens of a text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from edgekit import scratch
from edgekit.decoders import folder_writer, vocabulary
from edgekit.decoders.decoder import EMBEDDING, HEAD, NORM, Decoder, block_prefix, read
from edgekit.decoders.vocabulary import Vocabulary
from edgekit.errors import ModelError
from edgekit.program import tokenizer
from edgekit.progress import Progress, Silent
from edgekit.safe_io import parse_json, reading

_GENERATION = "generation_config.json"
_STALE = ("vocab.json", "merges.txt", "tokenizer.model", "added_tokens.json")
"""Forms of the whole vocabulary beside `tokenizer.json`."""
_LITERAL = re.compile(r"'([^'\\]*)'|\"([^\"\\]*)\"")


def trim(
    decoder: Decoder, seen: set[int], out: Path, progress: Progress | None = None
) -> Decoder:
    """Write the folder with the tokens in `seen`, and what the tokenizer needs beside them.

    The rows of the embedding and of the head are cut, the configuration and the tokenizer have the
    new numbers; blocks are copied one at a time. Raises `ModelError` for tokenizers that are not
    byte-pair, `OutputError` where `out` has files in it or cannot be written.
    """
    folder_writer.check_free(out)
    folder = decoder.folder
    generation = tokenizer.read_object(folder / _GENERATION)
    with reading(folder / tokenizer.FILE, ModelError, kind="a tokenizer"):
        document = parse_json((folder / tokenizer.FILE).read_text())
        needed = vocabulary.named(decoder.config) | vocabulary.named(generation)
        small = vocabulary.reduce(document, seen | _template_tokens(folder), needed)
    if small.kept[-1] >= decoder.shapes[EMBEDDING][0]:
        raise ModelError(
            f"{folder}: the tokenizer has token {small.kept[-1]}, and the embedding "
            f"{decoder.shapes[EMBEDDING][0]} rows."
        )
    with scratch.folder() as files, (progress or Silent()).step("Trimming") as step:
        folder_writer.copy_files(folder, files)
        _write_files(files, small, generation)
        _check_written(files, document, small)

        def shards() -> Iterator[dict[str, Tensor]]:
            ends = [name for name in (EMBEDDING, NORM, HEAD) if name in decoder.shapes]
            yield {name: _rows(decoder, name, small) for name in ends}
            for index in range(decoder.blocks):
                step.update(index, decoder.blocks)
                start = block_prefix(index)
                yield {f"{start}{n}": t for n, t in decoder.block(index).items()}

        config = vocabulary.renumbered(decoder.config, small.numbers)
        config["vocab_size"] = len(small.kept)
        folder_writer.write(out, config, shards(), files_of=files)
    return read(out)


def _rows(decoder: Decoder, name: str, small: Vocabulary) -> Tensor:
    tensor = decoder.tensors((name,))[name]
    return tensor if name == NORM else tensor[list(small.kept)].contiguous()


def _write_files(files: Path, small: Vocabulary, generation: Mapping[str, Any]) -> None:
    for name in _STALE:
        (files / name).unlink(missing_ok=True)
    _write(files / tokenizer.FILE, small.document)
    if generation:
        made = vocabulary.renumbered(generation, small.numbers)
        _write(files / _GENERATION, made)
    settings = dict(tokenizer.read_object(files / tokenizer.CONFIG))
    listed = settings.get("added_tokens_decoder")
    if listed:
        numbers = small.numbers
        settings["added_tokens_decoder"] = {
            str(numbers[int(old)]): token
            for old, token in listed.items()
            if int(old) in numbers
        }
        _write(files / tokenizer.CONFIG, settings)


def _write(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n")


def _check_written(files: Path, document: Mapping[str, Any], small: Vocabulary) -> None:
    """Raise `ModelError` where the package tokenizers numbers the kept tokens otherwise."""
    import tokenizers

    made = tokenizers.Tokenizer.from_file(str(files / tokenizer.FILE))
    names = {number: token for token, number in document["model"]["vocab"].items()}
    names |= {t["id"]: t["content"] for t in document.get("added_tokens") or []}
    for new, old in enumerate(small.kept):
        if made.token_to_id(names[old]) != new:
            raise ModelError(
                f"The tokenizer numbers {names[old]!r:.60} by its place among added tokens, and "
                "such vocabularies are not trimmed. Keep the whole vocabulary."
            )


def _template_tokens(folder: Path) -> set[int]:
    """The tokens of the words that the chat template writes between messages."""
    import tokenizers

    settings = tokenizer.read_object(folder / tokenizer.CONFIG)
    sources = [str(settings.get("chat_template") or "")]
    sources += [f.read_text() for f in folder.glob("chat_template*") if f.is_file()]
    words = [one or two for text in sources for one, two in _LITERAL.findall(text)]
    made = tokenizers.Tokenizer.from_file(str(folder / tokenizer.FILE))
    encoded = made.encode_batch([*sources, *words], add_special_tokens=False)
    return {number for each in encoded for number in each.ids}
