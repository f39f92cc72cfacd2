"""Tiny folders as `save_pretrained` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from edgekit import sources
from edgekit.errors import ModelError
from edgekit.program.program import Program
from edgekit.types import InputSpec, ModelSpec
from tests import texts

pytest.importorskip("transformers")

VOCABULARY = 90
_SIZES: dict[str, Any] = {"vocab_size": VOCABULARY, "max_position_embeddings": 40}


def bert(
    folder: Path,
    head: str = "BertForSequenceClassification",
    labels: int = 3,
    layers: int = 2,
) -> Any:
    """A tiny BERT; returns the network that was saved."""
    import transformers

    config = transformers.BertConfig(
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=labels,
        **_SIZES,
    )
    return saved(getattr(transformers, head), config, folder)


def distilbert(folder: Path, layers: int = 2) -> Any:
    """A DistilBERT with a class for each token."""
    import transformers

    config = transformers.DistilBertConfig(
        dim=16, n_layers=layers, n_heads=2, hidden_dim=32, num_labels=3, **_SIZES
    )
    return saved(transformers.DistilBertForTokenClassification, config, folder)


def vit(folder: Path) -> Any:
    """A ViT for images of 16 by 16, with its image processor."""
    import transformers

    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=16,
        patch_size=4,
        num_labels=3,
    )
    network = saved(transformers.ViTForImageClassification, config, folder)
    write(
        folder / "preprocessor_config.json",
        {
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.5, 0.4, 0.3],
            "image_std": [0.2, 0.3, 0.4],
            "resample": 3,
            "rescale_factor": 1 / 255,
            "size": {"height": 16, "width": 16},
        },
    )
    return network


def sentences(folder: Path, pooling: str = "mean") -> Any:
    """A sentence transformer: an encoder, pooling, a dense layer and a norm."""
    network = bert(folder, "BertModel")
    modules = [
        ("Transformer", ""),
        ("Pooling", "1_Pooling"),
        ("Dense", "2_Dense"),
        ("Normalize", "3_Normalize"),
    ]
    listed = [
        {
            "idx": n,
            "name": str(n),
            "path": place,
            "type": f"sentence_transformers.{kind}",
        }
        for n, (kind, place) in enumerate(modules)
    ]
    write(folder / "modules.json", listed)
    write(folder / "sentence_bert_config.json", {"max_seq_length": 12})
    modes = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens"}
    asked = {f"pooling_mode_{name}": key == pooling for key, name in modes.items()}
    write(folder / "1_Pooling" / "config.json", asked)
    activation = {"activation_function": "torch.nn.modules.activation.Tanh"}
    write(folder / "2_Dense" / "config.json", activation)

    chance = torch.Generator().manual_seed(1)
    dense = {
        "linear.weight": torch.randn(8, 16, generator=chance),
        "linear.bias": torch.randn(8, generator=chance),
    }
    save_file(dense, folder / "2_Dense" / "model.safetensors")
    return network


def saved(kind: Any, config: Any, folder: Path, **options: Any) -> Any:
    """A network with seeded weights, far enough from zero to give different outputs."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = kind(config).eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.2)
    network.save_pretrained(folder, **options)
    return network


def write(path: Path, content: Any) -> None:
    """A JSON file, its folder made."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


def changed(path: Path, **values: Any) -> None:
    """A JSON file with other values."""
    write(path, {**json.loads(path.read_text()), **values})


def load(folder: Path, **values: Any) -> Program:
    """The program of a folder as a project names it."""
    return sources.load(ModelSpec(source=folder.name, **values), root=folder.parent)


def refused(folder: Path, match: str, **values: Any) -> None:
    """The folder does not load, and one line has the reason."""
    with pytest.raises(ModelError, match=match) as caught:
        load(folder, **values)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def tokens(batch: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token numbers, and the mask of texts of different lengths."""
    chance = torch.Generator().manual_seed(batch)
    ids = torch.randint(0, VOCABULARY, (batch, length), generator=chance)
    lengths = torch.arange(batch)[:, None] + 3
    return ids, (torch.arange(length)[None] < lengths).long()


def length(value: int) -> InputSpec:
    return InputSpec(shape=(value,))


def word_piece(folder: Path, **options: Any) -> Any:
    """BERT's tokenizer in a folder, as `save_pretrained` writes it; returns it."""
    import transformers

    numbers = {token: number for number, token in enumerate(texts.vocabulary())}
    made = transformers.BertTokenizer(vocab=numbers, model_max_length=12, **options)
    made.save_pretrained(folder)
    return made
