"""The tokenizer beside a network: `tokenizer.json`, or a WordPiece `vocab.txt` turned into one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgekit.errors import ModelError, RuntimeMissing
from edgekit.safe_io import parse_json, read_json, read_text, reading
from edgekit.suggestions import suggest_path
from edgekit.types import InputSpec, Side, TokenPart

FILE, VOCABULARY, CONFIG = "tokenizer.json", "vocab.txt", "tokenizer_config.json"
_MAP = "special_tokens_map.json"
_KIND = "a tokenizer"
_SLOW = ("spiece.model", "sentencepiece.bpe.model", "tokenizer.model", "vocab.json",
         "merges.txt", "spm.model", "tekken.json", "vocab.txt")  # fmt: skip
_WORD_PIECE = ("Bert", "DistilBert", "Electra", "MobileBert", "SqueezeBert", "Funnel")
"""Beginnings of the classes of tokenizers that `vocab.txt` is enough for."""
_NEEDED = ("[UNK]", "[CLS]", "[SEP]", "[PAD]")
_PAD_TOKENS = ("[PAD]", "<pad>")
_PARTS: Mapping[str, TokenPart] = {
    "input_ids": "ids",
    "input_word_ids": "ids",
    "attention_mask": "mask",
    "input_mask": "mask",
    "token_type_ids": "types",
    "input_type_ids": "types",
    "segment_ids": "types",
}


@dataclass(frozen=True, kw_only=True)
class Tokenizer:
    """A tokenizer as the package tokenizers reads it, and how its texts are padded and cut."""

    content: str = field(repr=False)
    """A `tokenizer.json`."""
    model: str
    """The algorithm that splits words: "WordPiece", "BPE", ..."""
    vocabulary: int
    """Token numbers are below it."""
    special_tokens: tuple[str, ...]
    pad_token: str
    pad_id: int
    pad_type_id: int = 0
    padding_side: Side = "right"
    truncation_side: Side = "right"

    def settings(
        self, inputs: Sequence[tuple[str, TokenPart]], length: int, *, pair: bool
    ) -> dict[str, Any]:
        """Length, padding and inputs as `TextContract` has them, without the facts of the
        file."""
        return {
            "length": length,
            "pair": pair,
            "inputs": dict(inputs),
            "pad_token": self.pad_token,
            "pad_id": self.pad_id,
            "pad_type_id": self.pad_type_id,
            "padding_side": self.padding_side,
            "truncation_side": self.truncation_side,
        }


def read(place: Path) -> Tokenizer | None:
    """The tokenizer of a folder, or in a file; `None` for a folder without any.

    Raises `ModelError` for damaged ones, and for those in a form that only their authors' code
    reads; `RuntimeMissing` without the package tokenizers.
    """
    folder = place if place.is_dir() else place.parent
    file = place / FILE if place.is_dir() else place
    config = read_object(folder / CONFIG)
    if config.get("auto_map"):
        raise ModelError(
            f"{folder / CONFIG}: auto_map names Python code of its author's, and a folder's code "
            "is never run. Take a tokenizer of transformers' own classes."
        )
    if file.is_file():
        return _from_json(file, config)
    if file != folder / FILE:
        raise ModelError(
            f"No tokenizer at {file}.{suggest_path(file)} Name a {FILE}, or its folder."
        )
    if _is_word_piece(folder):
        return _word_piece(folder, config)
    refused = only_slow(folder)
    if refused is not None:
        raise ModelError(f"{refused}.")
    return None


def only_slow(folder: Path) -> str | None:
    """Why the tokenizer of a folder cannot be read, as part of a sentence; `None` where it can,
    or there is none."""
    slow = [name for name in _SLOW if (folder / name).is_file()]
    if not slow or (folder / FILE).is_file() or _is_word_piece(folder):
        return None
    return (
        f"The tokenizer of {folder} is only in the form of {' and '.join(slow)}, which the "
        f"package tokenizers does not read. Write a {FILE} beside it: transformers."
        f"AutoTokenizer.from_pretrained({str(folder)!r}).save_pretrained({str(folder)!r})"
    )


def parts(specs: Sequence[InputSpec]) -> tuple[tuple[str, TokenPart], ...]:
    """The part of an encoding that each input of tokens takes, by name; token numbers for the
    only input of whole numbers. Beside them may be inputs of something else.

    Empty where no input takes token numbers.
    """
    whole = [spec for spec in specs if spec.dtype in ("int32", "int64")]
    found = [(spec, _PARTS[spec.name]) for spec in specs if spec.name in _PARTS]
    if not found and len(whole) == 1:
        found = [(whole[0], "ids")]
    has_ids = sum(part == "ids" for _, part in found) == 1
    rows = len({spec.shape for spec, _ in found}) == 1 and len(found[0][0].shape) == 1
    return tuple((spec.name, part) for spec, part in found) if has_ids and rows else ()


def read_object(path: Path) -> Mapping[str, Any]:
    """A JSON file of a folder's that may be missing; raises `ModelError` for a damaged one."""
    found = read_json(path, ModelError) if path.is_file() else {}
    if not isinstance(found, dict):
        raise ModelError(f"Cannot read {path} (it is not an object).")
    return found


def _from_json(file: Path, config: Mapping[str, Any]) -> Tokenizer:
    content = read_text(file, ModelError)
    with reading(file, ModelError, kind=_KIND):
        document = parse_json(content)
        if not isinstance(document, dict):
            raise ValueError("it is not an object")
        return _read(content, config, file.parent)


def _read(content: str, config: Mapping[str, Any], folder: Path) -> Tokenizer:
    """The tokenizer in a `tokenizer.json`; raises anything for damaged ones."""
    made = _library().Tokenizer.from_str(content)
    padding = made.padding or {}
    truncation = made.truncation or {}
    ids = made.get_vocab(with_added_tokens=True)
    special = made.get_added_tokens_decoder()
    pad = _pad_token(config, read_object(folder / _MAP), padding, ids)
    made.no_padding()
    made.no_truncation()
    highest = max(ids.values())
    if max(made.encode("a", "b").ids, default=0) > highest:
        raise ValueError(f"it gives token numbers above {highest}, its highest")
    return Tokenizer(
        content=content,
        model=type(made.model).__name__,
        vocabulary=highest + 1,
        special_tokens=tuple(
            token.content for _, token in sorted(special.items()) if token.special
        ),
        pad_token=pad,
        pad_id=ids[pad],
        pad_type_id=int(padding.get("pad_type_id", 0)),
        padding_side=_side(config, "padding_side", padding),
        truncation_side=_side(config, "truncation_side", truncation),
    )


def _pad_token(
    config: Mapping[str, Any],
    special: Mapping[str, Any],
    padding: Mapping[str, Any],
    ids: Mapping[str, int],
) -> str:
    """The token that short texts are filled with; the end of a text where there is no other."""
    named = (
        _token(config.get("pad_token")),
        _token(special.get("pad_token")),
        padding.get("pad_token"),
        next((token for token in _PAD_TOKENS if token in ids), None),
        _token(config.get("eos_token")),
        _token(special.get("eos_token")),
    )
    pad = next((token for token in named if token is not None), None)
    if pad is None or pad not in ids:
        said = "names none" if pad is None else f"has {pad!r:.40}, which it lacks"
        raise ValueError(
            f"short texts need a padding token, and it {said}: set pad_token in {CONFIG}"
        )
    return pad


def _token(value: Any) -> str | None:
    """A token as the files of a folder write it."""
    token = value.get("content") if isinstance(value, dict) else value
    return token if isinstance(token, str) else None


def _side(config: Mapping[str, Any], key: str, own: Mapping[str, Any]) -> Side:
    side = config.get(key) or own.get("direction") or "right"
    if side not in ("left", "right"):
        raise ValueError(f"{key} is {side!r:.40}, neither left nor right")
    return "left" if side == "left" else "right"


# --- WordPiece --------------------------------------------------------------------------------


def _is_word_piece(folder: Path) -> bool:
    """Return whether the folder has the vocabulary of BERT's tokenizer under some name."""
    if not (folder / VOCABULARY).is_file():
        return False
    named = str(read_object(folder / CONFIG).get("tokenizer_class") or "")
    kind = str(read_object(folder / "config.json").get("model_type") or "bert")
    known = [f"{start}Tokenizer{end}" for start in _WORD_PIECE for end in ("", "Fast")]
    return named in known if named else kind in [one.lower() for one in _WORD_PIECE]


def _word_piece(folder: Path, config: Mapping[str, Any]) -> Tokenizer:
    """A `vocab.txt` in BERT's own steps: a token a line, its number that of the line."""
    path = folder / VOCABULARY
    lines = read_text(path, ModelError).split("\n")
    library = _library()
    with reading(path, ModelError, kind="a vocabulary of WordPiece"):
        ids = {line.removesuffix("\r"): number for number, line in _tokens(lines)}
        lacking = [token for token in _NEEDED if token not in ids]
        if lacking:
            raise ValueError(f"it has no {lacking[0]}")
        made = library.Tokenizer(library.models.WordPiece(ids, unk_token="[UNK]"))
        lower = bool(config.get("do_lower_case", True))
        made.normalizer = library.normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=bool(config.get("tokenize_chinese_chars", True)),
            strip_accents=config.get("strip_accents"),
            lowercase=lower,
        )
        made.pre_tokenizer = library.pre_tokenizers.BertPreTokenizer()
        made.post_processor = library.processors.TemplateProcessing(
            single="[CLS]:0 $A:0 [SEP]:0",
            pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
            special_tokens=[(token, ids[token]) for token in ("[CLS]", "[SEP]")],
        )
        made.add_special_tokens([t for t in (*_NEEDED, "[MASK]") if t in ids])
        return _read(made.to_str(), config, folder)


def _tokens(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The lines with their numbers; an empty last one is none."""
    last = len(lines) - 1
    for number, line in enumerate(lines):
        if line or number != last:
            yield number, line


def _library() -> Any:
    if find_spec("tokenizers") is None:
        raise RuntimeMissing(
            "Texts are read with tokenizers: pip install 'edgekit[huggingface]'."
        )
    import tokenizers

    return tokenizers
