"""A configuration that names code or files elsewhere is refused; nothing of it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgekit.types import InputSpec
from tests.unit.sources.huggingface import folders
from tests.unit.sources.huggingface.folders import load, refused


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"auto_map": {"AutoModel": "modeling.Mine"}}, "auto_map names Python code"),
        ({"vision_config": {"auto_map": {"AutoModel": "m.M"}}}, "auto_map names"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantization_config"),
        ({"use_pretrained_backbone": True}, "read offline"),
        ({"model_type": "unheard_of"}, "no model_type 'unheard_of'"),
        ({"model_type": "bert"}, "no architecture 'DistilBert"),
        ({"architectures": ["os.system"]}, "no architecture 'os.system'"),
        ({"architectures": ["PreTrainedModel"]}, "no architecture"),
        ({"architectures": ["DistilBertForMaskedLM"]}, "which would be random"),
        (
            {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]},
            "take turns",
        ),
        ({"n_layers": 10**9}, "n_layers is 1000000000"),
        ({"num_labels": 10**9, "id2label": None}, "num_labels is 1000000000"),
        ({"vocab_size": 10**10}, "config.json describes"),
        ({"dim": 24}, "Cannot read"),
        ({"dim": "wide"}, "Cannot read"),
        ({"n_heads": 0}, "Cannot read"),
    ],
)
def test_what_the_configuration_asks_for(
    folder: Path, values: dict[str, Any], match: str
) -> None:
    folders.changed(folder / "config.json", **values)
    refused(folder, match)


def test_code_beside_the_weights_never_runs(folder: Path) -> None:
    mark = folder / "ran"
    for name in ("modeling.py", "configuration.py", "__init__.py", "sitecustomize.py"):
        (folder / name).write_text(f"open({str(mark)!r}, 'w')\n")
    load(folder, input=InputSpec(shape=(6,)))
    assert not mark.exists()


def test_attention_from_elsewhere_is_left_out(folder: Path) -> None:
    folders.changed(
        folder / "config.json",
        _attn_implementation="kernels-community/flash-attn",
        attn_implementation="kernels-community/flash-attn",
        _name_or_path="somebody/network",
    )
    load(folder, input=InputSpec(shape=(6,)))
