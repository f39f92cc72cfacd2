from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from edgekit.decoders import decoder, folder_cut, recovery, streaming
from edgekit.decoders.decoder import EMBEDDING, NORM
from edgekit.decoders.recovery import Pair, RecoverySpec
from edgekit.errors import RuntimeMissing, TrainingError
from tests.unit.decoders import folders
from tests.unit.decoders.test_folder_cut import plan

Written = Callable[[str], Path]


@pytest.fixture
def pair(written: Written, tmp_path: Path) -> Pair:
    teacher = decoder.read(written("qwen2"))
    student = folder_cut.cut(teacher, plan(0, 1, 3), tmp_path / "cut")
    return Pair(student=student, teacher=teacher, kept=(0, 1, 3))


def test_the_objective_is_zero_for_the_teacher_itself(written: Written) -> None:
    network = folders.load(written("qwen2"))
    spec = RecoverySpec(text_weight=0.0)
    rows = folders.tokens()
    value = recovery.loss(network, network, (0, 1, 2, 3), rows, spec)
    assert value.item() == pytest.approx(0, abs=1e-5)
    shifted = recovery.loss(network, network, (1, 0, 2, 3), rows, spec)
    assert shifted.item() > 0.01  # hidden states of other blocks


def test_the_student_comes_closer_to_the_teacher(pair: Pair, tmp_path: Path) -> None:
    rows = folders.tokens(rows=16)
    spec = RecoverySpec(steps=40, batch_size=8, learning_rate=3e-3, text_weight=0.0)
    trained = recovery.recover(pair, rows, spec, tmp_path / "trained")
    teacher = folders.logits(folders.load(pair.teacher.folder), rows).log_softmax(-1)

    def apart(folder: Path) -> float:
        found = folders.logits(folders.load(folder), rows).log_softmax(-1)
        return float((teacher.exp() * (teacher - found)).sum(-1).mean())

    assert apart(trained.folder) < 0.7 * apart(pair.student.folder)
    assert folder_cut.kept_blocks(trained.folder) == (0, 1, 3)
    assert (trained.folder / "tokenizer.json").is_file()


def test_the_text_itself_is_learned(pair: Pair, tmp_path: Path) -> None:
    rows = folders.tokens(rows=4)
    spec = RecoverySpec(steps=40, batch_size=4, learning_rate=3e-3, text_weight=10.0)
    trained = recovery.recover(pair, rows, spec, tmp_path / "trained")
    before = streaming.perplexity(pair.student, rows)
    assert streaming.perplexity(trained, rows) < 0.5 * before


def test_merged_adapters_answer_as_they_did_beside_the_weights(
    pair: Pair, tmp_path: Path
) -> None:
    pytest.importorskip("peft", reason="peft is not installed: edgekit[genai]")
    network = recovery.adapted(recovery.load(pair.student), rank=4)
    generator = torch.Generator().manual_seed(0)
    trained = [p for p in network.parameters() if p.requires_grad]
    assert len(trained) == 2 * 7 * pair.student.blocks
    with torch.no_grad():
        for parameter in trained:
            parameter.normal_(0, 0.1, generator=generator)
    rows = folders.tokens()
    expected = folders.logits(network.eval(), rows)
    merged = recovery.save(network.merge_and_unload(), pair.student, tmp_path / "out")
    found = folders.logits(folders.load(merged.folder), rows)
    assert torch.allclose(found, expected, atol=1e-5)
    before = folders.logits(folders.load(pair.student.folder), rows)
    assert not torch.allclose(before, expected, atol=0.1)


def test_adapters_alone_bring_the_student_closer(pair: Pair, tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="peft is not installed: edgekit[genai]")
    rows = folders.tokens(rows=8)
    spec = RecoverySpec(
        steps=40, learning_rate=3e-3, text_weight=0.0, hidden_weight=0.0, lora_rank=4
    )
    trained = recovery.recover(pair, rows, spec, tmp_path / "trained")
    teacher = folders.load(pair.teacher.folder)

    def value(folder: Path) -> float:
        student = folders.load(folder)
        return recovery.loss(student, teacher, pair.kept, rows, spec).item()

    assert value(trained.folder) < 0.9 * value(pair.student.folder)
    kept = trained.tensors((EMBEDDING, NORM))
    for name, tensor in pair.student.tensors((EMBEDDING, NORM)).items():
        assert torch.equal(kept[name], tensor)


def test_adapters_without_their_library_are_named(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    spec = RecoverySpec(steps=1, lora_rank=4)
    with pytest.raises(RuntimeMissing, match=r"edgekit\[genai\]"):
        recovery.recover(pair, folders.tokens(), spec, tmp_path / "trained")


def test_a_saved_student_is_the_network(pair: Pair, tmp_path: Path) -> None:
    network = recovery.load(pair.student)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.5)
    saved = recovery.save(network, pair.student, tmp_path / "saved")
    rows = folders.tokens()
    expected = folders.logits(network, rows)
    assert torch.equal(folders.logits(folders.load(saved.folder), rows), expected)


def test_a_diverged_training_ends(pair: Pair, tmp_path: Path) -> None:
    spec = RecoverySpec(steps=50, learning_rate=1e30)
    with pytest.raises(TrainingError, match="Lower the learning rate"):
        recovery.recover(pair, folders.tokens(), spec, tmp_path / "trained")
    assert not (tmp_path / "trained").exists()


def test_no_more_time_than_was_given_is_taken(pair: Pair, tmp_path: Path) -> None:
    spec = RecoverySpec(steps=10**9, minutes=0.01)
    recovery.recover(pair, folders.tokens(), spec, tmp_path / "trained")


def test_the_rate_rises_and_falls() -> None:
    rates = [recovery.rate(done / 100) for done in range(100)]
    assert rates[5] == max(rates) == pytest.approx(1, abs=0.01)
    assert rates[0] < 0.05
    assert 0.05 < rates[-1] < 0.06
