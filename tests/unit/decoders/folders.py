"""Tiny decoders with random weights, as `save_pretrained` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("transformers")

VOCABULARY = 96
BLOCKS = 4
_SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {"tie_word_embeddings": True}),
    "llama-untied": ("Llama", {"attention_bias": True, "mlp_bias": True}),
    "llama-scaled": (
        "Llama",
        {
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 10000.0,
                "factor": 4.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 32,
            }
        },
    ),
    "mistral": ("Mistral", {"sliding_window": None}),
    "mistral-window": ("Mistral", {"sliding_window": 8}),
    "qwen2": ("Qwen2", {}),
    "qwen3": ("Qwen3", {"head_dim": 16}),
    "qwen3-window": (
        "Qwen3",
        {
            "head_dim": 16,
            "use_sliding_window": True,
            "sliding_window": 8,
            "max_window_layers": 2,
        },
    ),
    "smollm3": ("SmolLM3", {"no_rope_layers": [1, 1, 0, 1]}),
    "gemma": ("Gemma", {"head_dim": 16}),
    "gemma3": (
        "Gemma3Text",
        {"head_dim": 16, "sliding_window": 8, "sliding_window_pattern": 2},
    ),
}
"""Name -> class of the configuration, and what differs from the common sizes."""
WITHOUT_WINDOW = [
    name for name in FAMILIES if "window" not in name and name != "gemma3"
]


def write(folder: Path, name: str = "llama", **more: Any) -> Any:
    """A decoder of a family, of distinct norms; returns the network that was saved."""
    import transformers

    kind, differs = FAMILIES[name]
    config = getattr(transformers, f"{kind}Config")(**{**_SIZES, **differs, **more})
    network = transformers.MODEL_FOR_CAUSAL_LM_MAPPING[type(config)](config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator)
            scale = 0.2 if parameter.dim() > 1 else 0.3
            start = 1.0 if "norm" in key and "gemma" not in name else 0.0
            parameter.copy_(start + drawn * scale)
    network.eval().save_pretrained(folder)
    return network


def add_tokenizer(folder: Path) -> None:
    """A tokenizer of letters, which begins texts with a token of its own."""
    import tokenizers
    from tokenizers import decoders, pre_tokenizers, processors

    special = ["<pad>", "<s>", "</s>", "<unk>"]
    letters = [chr(code) for code in range(32, 32 + VOCABULARY - len(special))]
    vocabulary = {token: i for i, token in enumerate([*special, *letters])}
    made = tokenizers.Tokenizer(
        tokenizers.models.BPE(vocabulary, [], unk_token="<unk>")
    )
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.decoder = decoders.Fuse()
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)]
    )
    made.add_special_tokens(special)
    made.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<pad>",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "chat_template": "{{ messages[0]['content'] }}",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


BYTE_PAIRS = 320
"""Size of the vocabularies of `add_byte_pairs`."""
TEXT = "The cat sat on the mat. They'll pay 12345 for naïve cafés, won't they?\n" * 4
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}DIGITS"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
KINDS = ("llama3", "smollm3", "qwen2", "smollm", "gpt2", "sentencepiece", "gemma")
"""Of tokenizers, by who has them."""


def add_byte_pairs(folder: Path, kind: str, **settings: Any) -> None:
    """A trained tokenizer of one of the `KINDS`; `settings` of its `tokenizer_config.json`."""
    from tokenizers import Tokenizer, models, processors, trainers

    pairs = kind in ("sentencepiece", "gemma")
    special = ["<pad>", "<s>", "</s>", "<unk>"]
    alphabet: list[str] = []
    if pairs:
        special += [f"<0x{byte:02X}>" for byte in range(256)]
        made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    else:
        made = Tokenizer(models.BPE(ignore_merges=kind == "llama3"))
    _split(made, kind, alphabet)
    trainer = trainers.BpeTrainer(
        vocab_size=BYTE_PAIRS,
        initial_alphabet=alphabet,
        special_tokens=special,
        show_progress=False,
    )
    made.train_from_iterator(TEXT.splitlines(), trainer)
    if kind in ("llama3", "sentencepiece", "gemma"):
        made.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 1)]
        )
    file = json.loads(made.to_str())
    # Bytes are tokens as any others: they are not looked for in texts.
    file["added_tokens"] = file["added_tokens"][:4]
    (folder / "tokenizer.json").write_text(json.dumps(file))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "chat_template": "{{ messages[0]['content'] }}",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, **settings}))


def _split(made: Any, kind: str, alphabet: list[str]) -> None:
    """Give a tokenizer the steps before and behind the pairs of a kind."""
    from tokenizers import Regex, decoders, normalizers, pre_tokenizers

    if kind in ("sentencepiece", "gemma"):
        steps = [normalizers.Replace(" ", "▁")]
        if kind == "sentencepiece":
            steps.insert(0, normalizers.Prepend("▁"))
        made.normalizer = normalizers.Sequence(steps)
        # Training alone needs words.
        made.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        )
        return
    alphabet += pre_tokenizers.ByteLevel.alphabet()
    made.decoder = decoders.ByteLevel()
    by_word = kind in ("smollm", "gpt2")
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=by_word)
    digits = "" if kind == "qwen2" else "{1,3}"
    words = Regex(_WORDS.replace("DIGITS", digits))
    first: dict[str, Any] = {
        "smollm": pre_tokenizers.Digits(individual_digits=True),
        "gpt2": None,
    }
    split = first.get(kind, pre_tokenizers.Split(words, "isolated"))
    made.pre_tokenizer = (
        last if split is None else pre_tokenizers.Sequence([split, last])
    )


def load(folder: Path) -> Any:
    """The network of a folder as transformers loads it, in float32."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def tokens(rows: int = 3, length: int = 20) -> torch.Tensor:
    """Rows of random tokens."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(4, VOCABULARY, (rows, length), generator=generator)


@torch.no_grad()
def logits(network: Any, rows: torch.Tensor) -> torch.Tensor:
    """Of a network of transformers."""
    found: torch.Tensor = network(rows, use_cache=False).logits
    return found
