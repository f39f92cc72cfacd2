"""A folder becomes the network that was saved to it: trainable, its batch free."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgekit import sources
from edgekit.errors import ModelError
from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.program.program import Program
from edgekit.program.program import load as reload
from edgekit.sources.huggingface import check as checks
from edgekit.sources.huggingface.inputs import Taken
from edgekit.types import InputSpec, ModelSpec
from tests.unit.sources.huggingface import folders
from tests.zoo.exactness import outputs, random_plan, relative_error, train_one_step
from tests.zoo.silenced import silenced

pytest.importorskip("transformers")


def load(folder: Path, **values: object) -> Program:
    return sources.load(ModelSpec(source=folder.name, **values), root=folder.parent)  # type: ignore[arg-type]


def tokens(batch: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token numbers, and the mask of texts of different lengths."""
    chance = torch.Generator().manual_seed(batch)
    ids = torch.randint(0, folders.VOCABULARY, (batch, length), generator=chance)
    lengths = torch.arange(batch)[:, None] + 3
    return ids, (torch.arange(length)[None] < lengths).long()


def length(value: int) -> InputSpec:
    return InputSpec(shape=(value,))


@pytest.mark.parametrize(
    "head",
    ["BertForSequenceClassification", "BertForTokenClassification", "BertForMaskedLM"],
)
def test_a_text_network_gives_its_own_logits_at_any_batch(
    tmp_path: Path, head: str
) -> None:
    network = folders.bert(tmp_path / "folder", head)
    program = load(tmp_path / "folder", input=length(10))
    names = ["input_ids", "attention_mask", "token_type_ids"]
    assert [spec.name for spec in program.inputs] == names
    assert program.outputs == ("logits",)
    for batch in (1, 4):
        ids, mask = tokens(batch, 10)
        kinds = (ids % 2).long()
        with torch.no_grad():
            expected = network(ids, attention_mask=mask, token_type_ids=kinds).logits
        assert relative_error(outputs(program, (ids, mask, kinds)), [expected]) < 1e-5
    assert "at batch 1 and 3" in program.remarks[0]
    own = set(dict(network.named_parameters()))
    assert {name for name, _ in program.module.named_parameters()} == own


def test_it_trains_is_cut_exactly_and_is_saved(tmp_path: Path) -> None:
    network = folders.distilbert(tmp_path / "folder")
    network.config.return_dict = False
    graph = analyze(load(tmp_path / "folder", input=length(8)))
    exact = [group for group in graph.groups if group.exact]
    assert len(exact) >= 3
    plan = random_plan(exact, 0.3)
    cut = shrink(graph, plan)
    given = tokens(3, 8)
    silent = silenced(network, graph, plan, given)
    assert relative_error(silent, outputs(graph.program, given)) > 1e-4
    assert relative_error(outputs(cut, given), silent) < 1e-5
    cut.save(tmp_path / "cut.pt2")
    again = reload(tmp_path / "cut.pt2")
    assert again.outputs == ("logits",)
    assert relative_error(outputs(again, given), outputs(cut, given)) < 1e-6
    assert train_one_step(cut, given)


def test_an_image_network_takes_its_processors_size(tmp_path: Path) -> None:
    network = folders.vit(tmp_path / "folder")
    program = load(tmp_path / "folder")
    assert program.inputs == (InputSpec(name="pixel_values", shape=(3, 16, 16)),)
    image = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network(image).logits
    assert relative_error(outputs(program, (image,)), [expected]) < 1e-5


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_sentences_become_one_vector(tmp_path: Path, pooling: str) -> None:
    network = folders.sentences(tmp_path / "folder", pooling)
    program = load(tmp_path / "folder", fixed={"token_type_ids": 0})
    assert program.outputs == ("sentence_embedding",)
    assert [spec.shape for spec in program.inputs] == [(12,), (12,)]
    ids, mask = tokens(3, 12)
    with torch.no_grad():
        states = network(ids, attention_mask=mask).last_hidden_state
    rows = []
    for row, kept in zip(states, mask.bool(), strict=True):
        own = row[kept]
        pooled = {"mean": own.mean(0), "cls": own[0], "max": own.amax(0)}[pooling]
        rows.append(pooled)
    from safetensors.torch import load_file

    dense = load_file(tmp_path / "folder" / "2_Dense" / "model.safetensors")
    found = torch.tanh(
        torch.stack(rows) @ dense["linear.weight"].T + dense["linear.bias"]
    )
    expected = found / found.norm(dim=-1, keepdim=True)
    assert relative_error(outputs(program, (ids, mask)), [expected]) < 1e-5


def test_a_mask_may_have_one_value_for_every_text(tmp_path: Path) -> None:
    network = folders.distilbert(tmp_path / "folder")
    program = load(tmp_path / "folder", input=length(6), fixed={"attention_mask": 1})
    assert [spec.name for spec in program.inputs] == ["input_ids"]
    ids, _ = tokens(2, 6)
    with torch.no_grad():
        expected = network(ids).logits
    assert relative_error(outputs(program, (ids,)), [expected]) < 1e-5


def test_outputs_are_chosen_by_name(tmp_path: Path) -> None:
    folders.bert(tmp_path / "folder", "BertModel")
    both = load(tmp_path / "folder", input=length(6))
    assert both.outputs == ("last_hidden_state", "pooler_output")
    one = load(tmp_path / "folder", input=length(6), outputs=("pooler_output",))
    assert one.outputs == ("pooler_output",)
    with pytest.raises(ModelError, match="last_hidden_state, pooler_output"):
        load(tmp_path / "folder", input=length(6), outputs=("scores",))


def test_shards_and_pickled_tensors_are_read(tmp_path: Path) -> None:
    network = folders.distilbert(tmp_path / "whole")
    network.save_pretrained(tmp_path / "shards", max_shard_size="10KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    folders.distilbert(tmp_path / "pickle")
    (tmp_path / "pickle" / "model.safetensors").unlink()
    torch.save(network.state_dict(), tmp_path / "pickle" / "pytorch_model.bin")
    given = tokens(2, 6)
    for kind in ("shards", "pickle"):
        program = load(tmp_path / kind, input=length(6))
        with torch.no_grad():
            expected = network(given[0], attention_mask=given[1]).logits
        assert relative_error(outputs(program, given), [expected]) < 1e-5


def test_half_precision_is_named(tmp_path: Path) -> None:
    network = folders.distilbert(tmp_path / "folder")
    network.half().save_pretrained(tmp_path / "folder")
    program = load(tmp_path / "folder", input=length(6))
    assert "Weights in half precision come in in single precision." in program.remarks
    assert all(p.dtype == torch.float32 for p in program.module.parameters())


@pytest.mark.parametrize(
    ("file", "key", "expected"),
    [
        (None, None, 40),
        ("tokenizer_config.json", "model_max_length", 20),
        ("sentence_bert_config.json", "max_seq_length", 9),
    ],
)
def test_the_length_is_the_folders_and_is_named(
    tmp_path: Path, file: str | None, key: str | None, expected: int
) -> None:
    folders.distilbert(tmp_path / "folder")
    if file and key:
        folders.write(tmp_path / "folder" / file, {key: expected})
    program = load(tmp_path / "folder")
    assert {spec.shape for spec in program.inputs} == {(expected,)}
    assert any(
        f"Sequences are of {expected} tokens" in each for each in program.remarks
    )


def test_a_wrong_network_is_refused(tmp_path: Path) -> None:
    network = folders.distilbert(tmp_path / "folder")
    program = load(tmp_path / "folder", input=length(6))
    reference = checks.Reference(
        network=network,
        steps=(),
        taken=Taken(specs=program.inputs, fixed={}),
        outputs=("logits",),
    )
    checks.check(program, reference, source="folder")
    with torch.no_grad():
        # Only tokens beyond the first three, and not the same for every unit, which norms undo.
        next(program.module.parameters())[3:].add_(torch.arange(16) * 0.1)
    with pytest.raises(ModelError, match="differs from the network in transformers"):
        checks.check(program, reference, source="folder")


def test_the_first_folder_of_a_project_is_found(tmp_path: Path) -> None:
    folders.distilbert(tmp_path / "models" / "mine")
    found = sources.find(tmp_path)
    assert found == ("models/mine", sources.known()["huggingface"])
