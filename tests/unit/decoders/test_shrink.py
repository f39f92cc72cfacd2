from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.decoders import shrink
from edgekit.decoders.block_costs import GenerationBudget
from edgekit.decoders.recovery import RecoverySpec
from edgekit.errors import UsageError
from edgekit.progress import Silent
from tests.unit.decoders import folders

Written = Callable[[str], Path]


@pytest.fixture
def texts(tmp_path: Path) -> shrink.Texts:
    file = tmp_path / "text.txt"
    file.write_text("the quick brown fox jumps over the lazy dog. " * 30)
    return shrink.Texts(files=(file,), length=32, rows=24)


def test_a_folder_is_cut_and_distilled(
    written: Written, texts: shrink.Texts, tmp_path: Path
) -> None:
    source = written("qwen2")
    request = shrink.CutRequest(source=source, texts=texts, depth=0.25, mlp=0.5)
    cut = shrink.cut(request, tmp_path / "cut", Silent())
    assert (cut.before.blocks, cut.after.blocks) == (4, 3)
    assert cut.after.mlp_width == 64  # the step of widths is the whole
    spec = RecoverySpec(steps=30, batch_size=8, learning_rate=3e-3)
    trained = shrink.distill(
        tmp_path / "cut", source, texts, spec, tmp_path / "small", Silent()
    )
    assert trained.kept == cut.kept
    assert trained.perplexity < 0.8 * cut.perplexity
    assert trained.perplexity_uncut == cut.perplexity_uncut
    assert "Blocks 4 to 3" in trained.line()


def test_another_teacher_is_refused(
    written: Written, texts: shrink.Texts, tmp_path: Path
) -> None:
    request = shrink.CutRequest(source=written("qwen2"), texts=texts, depth=0.25)
    shrink.cut(request, tmp_path / "cut", Silent())
    folders.write(tmp_path / "shallow", "qwen2", num_hidden_layers=2)
    folders.add_tokenizer(tmp_path / "shallow")
    with pytest.raises(UsageError, match="was not cut from"):
        shrink.distill(
            tmp_path / "cut",
            tmp_path / "shallow",
            texts,
            RecoverySpec(),
            tmp_path / "out",
            Silent(),
        )


def test_budgets_are_read() -> None:
    assert shrink.parse_budget([]) is None
    found = shrink.parse_budget(["tokens_per_s=40", "size_mb=1.5"])
    assert found == GenerationBudget(tokens_per_s=40, size_mb=1.5)
    for wrong in ("speed=3", "ttft_ms", "ttft_ms=x", "ttft_ms=-1", "ttft_ms=inf"):
        with pytest.raises(UsageError, match="is not a limit"):
            shrink.parse_budget([wrong])
