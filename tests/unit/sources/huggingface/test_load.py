"""A folder becomes the network that was saved to it: trainable, its batch free."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgekit import sources
from edgekit.errors import ModelError
from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.program.program import load as reload
from edgekit.types import InputSpec
from tests.unit.sources.huggingface import folders
from tests.unit.sources.huggingface.folders import length, load, tokens
from tests.zoo.exactness import outputs, random_plan, relative_error, train_one_step
from tests.zoo.silenced import silenced


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


def test_outputs_are_chosen_by_name(tmp_path: Path) -> None:
    folders.bert(tmp_path / "folder", "BertModel")
    both = load(tmp_path / "folder", input=length(6))
    assert both.outputs == ("last_hidden_state", "pooler_output")
    one = load(tmp_path / "folder", input=length(6), outputs=("pooler_output",))
    assert one.outputs == ("pooler_output",)
    with pytest.raises(ModelError, match="last_hidden_state, pooler_output"):
        load(tmp_path / "folder", input=length(6), outputs=("scores",))


def test_the_first_folder_of_a_project_is_found(tmp_path: Path) -> None:
    folders.distilbert(tmp_path / "models" / "mine")
    found = sources.find(tmp_path)
    assert found == ("models/mine", sources.known()["huggingface"])
