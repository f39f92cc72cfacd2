"""A decoder's folder: its configuration, and its tensors by name, read when they are used."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from edgekit.errors import ModelError
from edgekit.safe_io import check_regular, read_json, reading
from edgekit.sources.huggingface import configuration, tensors
from edgekit.sources.huggingface.files import CONFIG

EMBEDDING, NORM, HEAD = (
    "model.embed_tokens.weight",
    "model.norm.weight",
    "lm_head.weight",
)
PER_BLOCK = ("layer_types", "no_rope_layers")
"""Lists of a configuration with an entry a block."""
_RECOMPUTED = "rotary_emb.inv_freq"
"""End of the names of tables that older releases saved and newer ones compute."""
_CAPPED = ("attn_logit_softcapping", "final_logit_softcapping")
_KIND = "a decoder's weights"


@dataclass(frozen=True, kw_only=True)
class Family:
    """Facts of a family of decoders that its configuration does not have."""

    scaled_embedding: bool = False
    """Embeddings are multiplied by the square root of the hidden size."""
    offset_norms: bool = False
    """Norms multiply by one plus their weight."""
    heads_divide: bool = False
    """The number of attention heads has to divide the hidden size."""


FAMILIES: Mapping[str, Family] = {
    "gemma": Family(scaled_embedding=True, offset_norms=True),
    "gemma3_text": Family(scaled_embedding=True, offset_norms=True, heads_divide=True),
    "llama": Family(heads_divide=True),
    "mistral": Family(),
    "qwen2": Family(),
    "qwen3": Family(),
    "smollm3": Family(),
}
"""By `model_type`: families whose blocks are attention and a gated MLP, each behind a norm."""


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """An opened folder. No weights are held."""

    folder: Path
    config: Mapping[str, Any] = field(repr=False)
    """`config.json` as it is in the folder."""
    parsed: Any = field(repr=False)
    """The configuration of transformers."""
    shapes: Mapping[str, tuple[int, ...]] = field(repr=False)
    """Of the tensors that the network uses, by name."""
    places: Mapping[str, str] = field(repr=False)
    """The file of each tensor."""

    @property
    def family(self) -> Family:
        """The facts of its family."""
        return FAMILIES[self.parsed.model_type]

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return int(self.parsed.num_hidden_layers)

    @property
    def mlp_width(self) -> int:
        """Units of each MLP."""
        return int(self.parsed.intermediate_size)

    @property
    def heads(self) -> int:
        """Attention heads of each block."""
        return int(self.parsed.num_attention_heads)

    @property
    def groups(self) -> int:
        """Key-value heads of each block; each serves `heads / groups` attention heads."""
        return int(self.parsed.num_key_value_heads)

    @property
    def head_size(self) -> int:
        """Values of a head."""
        return (
            self.shapes[block_prefix(0) + "self_attn.k_proj.weight"][0] // self.groups
        )

    @property
    def is_tied(self) -> bool:
        """Return whether the head is the embedding."""
        return HEAD not in self.shapes

    def tensors(self, names: Iterable[str]) -> dict[str, Tensor]:
        """The tensors of these names, in the folder's precision; mapped, where the system can."""
        found: dict[str, Tensor] = {}
        by_file: dict[str, list[str]] = defaultdict(list)
        for name in names:
            by_file[self.places[name]].append(name)
        for file, inner in by_file.items():
            path = self.folder / file
            with reading(path, ModelError, kind=_KIND), _opened(path) as opened:
                found |= {name: opened.get_tensor(name) for name in inner}
        return found

    def block(self, index: int) -> dict[str, Tensor]:
        """The tensors of a block, by their names inside it: "mlp.up_proj.weight"."""
        start = block_prefix(index)
        found = self.tensors(n for n in self.shapes if n.startswith(start))
        return {name.removeprefix(start): tensor for name, tensor in found.items()}

    def bytes(self) -> int:
        """Size of the weights in the folder's precision."""
        total = 0
        for name in self.shapes:
            tensor = self.tensors((name,))[name]
            total += tensor.numel() * tensor.element_size()
        return total


def read(folder: Path) -> Decoder:
    """Open a folder: nothing in it is run, and no weights are read.

    Raises `ModelError` for damaged folders, for families that are not known, for weights that are
    not safetensors, and for tensors that are missing, of another shape or beyond the network's;
    `RuntimeMissing` without transformers.
    """
    path = folder / CONFIG
    cleaned = configuration.read(folder)
    _check_family(cleaned, path)
    places = _places(folder)
    configuration.bounded(cleaned, len(places), path)
    parsed = configuration.configuration(cleaned, path)
    parsed._attn_implementation = "sdpa"
    expected = _expected(parsed, path)
    found = _shapes(folder, places)
    _check(folder, expected, found)
    made = Decoder(
        folder=folder,
        config=read_json(path, ModelError),
        parsed=parsed,
        shapes=expected,
        places=places,
    )
    _check_tied(made, found)
    return made


def one_block(parsed: Any, index: int) -> Any:
    """The configuration of a network of one block, that of number `index`."""
    made = copy.deepcopy(parsed)
    made.num_hidden_layers = 1
    for key in PER_BLOCK:
        listed = getattr(made, key, None)
        if listed is not None:
            setattr(made, key, [listed[index]])
    return made


def block_prefix(index: int) -> str:
    """The beginning of the names of a block's tensors."""
    return f"model.layers.{index}."


def _opened(path: Path) -> Any:
    return safe_open(path, framework="pt")


def _check_family(found: Mapping[str, Any], path: Path) -> None:
    kind = found.get("model_type")
    if kind not in FAMILIES:
        raise ModelError(
            f"{path}: decoders of model_type {kind!r:.60} are not supported. Supported are "
            f"{', '.join(FAMILIES)}."
        )
    capped = next((key for key in _CAPPED if found.get(key) is not None), None)
    if capped is not None:
        raise ModelError(
            f"{path}: {capped} caps logits, and runtimes for generation drop it. Decoders "
            "without it are supported."
        )


def _places(folder: Path) -> dict[str, str]:
    """The file of every tensor."""
    whole = folder / tensors.WHOLE[0]
    if whole.is_file():
        check_regular(whole, ModelError)
        with reading(whole, ModelError, kind=_KIND), _opened(whole) as opened:
            return dict.fromkeys(opened.keys(), whole.name)
    index = folder / f"{whole.name}{tensors.INDEX}"
    if not index.is_file():
        raise ModelError(
            f"No weights in {folder}: neither {whole.name} nor {index.name}. Write them with "
            "save_pretrained(), which writes safetensors."
        )
    return dict(tensors.places(index))


def _shapes(
    folder: Path, places: Mapping[str, str]
) -> Mapping[str, tuple[int, ...] | None]:
    """The shape of every tensor; `None` for one that its file lacks."""
    found: dict[str, tuple[int, ...] | None] = dict.fromkeys(places)
    for file in dict.fromkeys(places.values()):
        path = folder / file
        check_regular(path, ModelError)
        with reading(path, ModelError, kind=_KIND), _opened(path) as opened:
            for name in opened.keys():  # noqa: SIM118 - an object without iteration
                if places.get(name) == file:
                    found[name] = tuple(opened.get_slice(name).get_shape())
    return found


def _expected(parsed: Any, path: Path) -> dict[str, tuple[int, ...]]:
    """The names and shapes of the network that transformers has for the configuration."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    with reading(path, ModelError, kind=configuration.KIND), torch.device("meta"):
        network = MODEL_FOR_CAUSAL_LM_MAPPING[type(parsed)](parsed)
    found = {name: tuple(t.shape) for name, t in network.state_dict().items()}
    if parsed.tie_word_embeddings:
        found.pop(HEAD, None)
    return found


def _check(
    folder: Path,
    expected: Mapping[str, tuple[int, ...]],
    found: Mapping[str, tuple[int, ...] | None],
) -> None:
    for name, shape in expected.items():
        there = found.get(name)
        if there is None:
            raise ModelError(
                f"{folder} lacks the tensor {name}. Fetch the folder's files again."
            )
        if there != shape:
            raise ModelError(
                f"{folder}: {name} has shape {list(there)}, and {CONFIG} describes {list(shape)}."
            )
    more = found.keys() - expected.keys() - {HEAD}
    more = {name for name in more if not name.endswith(_RECOMPUTED)}
    if more:
        raise ModelError(
            f"{folder} holds {min(more)}, which its {CONFIG} does not describe: it is not a "
            "plain decoder of its family."
        )


def _check_tied(decoder: Decoder, found: Mapping[str, object]) -> None:
    """Refuse a head beside an embedding that it is tied to and differs from."""
    if not decoder.is_tied or found.get(HEAD) is None:
        return
    both = decoder.tensors((EMBEDDING, HEAD))
    if not torch.equal(both[EMBEDDING], both[HEAD]):
        raise ModelError(
            f"{decoder.folder}: {CONFIG} ties {HEAD} to {EMBEDDING}, and the two differ. Set "
            "tie_word_embeddings to false."
        )
