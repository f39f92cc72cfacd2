"""A project of texts with a tokenizer, for the packages of `results/apps.json`.

    python -m benchmarks.apps_texts build/texts && cd build/texts && edgekit build --target host

The texts of `examples/text` as words: a WordPiece tokenizer learned from the training texts, and a
BERT of two layers that names their language, in a Hugging Face folder beside tables of the texts.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

EXAMPLE = Path(__file__).parents[1] / "examples/text"
LENGTH, VOCABULARY = 32, 4000
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SEED, EPOCHS, BATCH, RATE = 0, 6, 64, 2e-3
PROJECT = f"""# The language of a short text, by a BERT that reads words.

[model]
source = "bert"
input  = {{ shape = [{LENGTH}] }}

[data]
train = "train.csv"
test  = "test.csv"

[task]
kind = "classification"

[budget]
speedup       = 1.5
accuracy_drop = 0.02

[recipe.distill]
epochs = 3
"""


def main() -> None:
    """Write the project, and print what its network scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    (folder / "bert").mkdir(parents=True)
    parts = {part: texts(part) for part in ("train", "test")}
    for part, rows in parts.items():
        with (folder / f"{part}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *rows])
    reader = tokenizer([text for text, _ in parts["train"]])
    reader.save_pretrained(folder / "bert")
    network = trained(reader, parts["train"])
    network.save_pretrained(folder / "bert")
    (folder / "edgekit.toml").write_text(PROJECT)
    score = accuracy(network, *tokens(reader, parts["test"]))
    print(f"{folder}: test accuracy {score:.2%} of {len(parts['test'])}")


def texts(part: str) -> list[tuple[str, str]]:
    """The texts of the example, of which it has the bytes, and their languages."""
    with np.load(EXAMPLE / f"{part}.npz") as archive:
        rows = [bytes(row).rstrip(b"\0").decode() for row in archive["x"]]
        return list(zip(rows, map(str, archive["y"]), strict=True))


def tokenizer(given: list[str]) -> Any:
    """BERT's, with accents: languages differ in them."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizerFast

    made = BertWordPieceTokenizer(strip_accents=False, lowercase=True)
    made.train_from_iterator(
        iter(given), VOCABULARY, special_tokens=list(SPECIAL), show_progress=False
    )
    return BertTokenizerFast(
        tokenizer_object=made._tokenizer, do_lower_case=True, strip_accents=False
    )


def tokens(
    reader: Any, rows: list[tuple[str, str]]
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Inputs of the network (n, 32), and classes (n,) by the sorted languages."""
    found = reader(
        [text for text, _ in rows],
        padding="max_length",
        truncation=True,
        max_length=LENGTH,
        return_tensors="pt",
    )
    _, classes = np.unique([label for _, label in rows], return_inverse=True)
    return dict(found), torch.from_numpy(classes)


def trained(reader: Any, rows: list[tuple[str, str]]) -> Any:
    """A BERT after a few epochs."""
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(SEED)
    given, classes = tokens(reader, rows)
    config = BertConfig(
        vocab_size=len(reader),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=LENGTH,
        num_labels=int(classes.max()) + 1,
    )
    network = BertForSequenceClassification(config).train()
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.05)
    steps = EPOCHS * -(-len(rows) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(rows)).split(BATCH):
            part = {name: values[batch] for name, values in given.items()}
            loss = network(**part, labels=classes[batch]).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


@torch.no_grad()
def accuracy(
    network: nn.Module, given: dict[str, torch.Tensor], classes: torch.Tensor
) -> float:
    """Fraction of right answers."""
    found = network(**given).logits.argmax(1)
    return (found == classes).float().mean().item()


if __name__ == "__main__":
    main()
