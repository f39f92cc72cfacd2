"""OpenVINO GenAI: a graph built from the folder's tensors, weights compressed by NNCF."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.decoders import folder_writer
from edgekit.decoders.decoder import Decoder
from edgekit.decoders.engines import openvino_graph
from edgekit.decoders.engines.protocol import Generated, WeightFormat
from edgekit.decoders.log_likelihood import next_token_nll
from edgekit.errors import ModelError
from edgekit.safe_io import reading
from edgekit.sources.huggingface.files import CONFIG
from edgekit.sources.huggingface.network import offline

_STEM = "openvino_model"
_EXACT = {
    "INFERENCE_PRECISION_HINT": "f32",
    "KV_CACHE_PRECISION": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
}


class OpenVinoGenAI:
    """The runtime as an `Engine`."""

    name = "openvino-genai"
    libraries: Mapping[str, str] = {
        "openvino": "openvino",
        "nncf": "nncf",
        "openvino_genai": "openvino-genai",
        "openvino_tokenizers": "openvino-tokenizers",
    }
    extra = "genai"
    bits = (32, 8, 4)
    group_sizes = (32, 64, 128)

    def export(self, decoder: Decoder, out: Path, weights: WeightFormat) -> None:
        """Write the model, and its tokenizer as OpenVINO models; see `Engine.export`."""
        import openvino

        model = openvino_graph.build(decoder)
        if weights.bits != 32:
            model = _compressed(model, weights)
        openvino.save_model(model, out / f"{_STEM}.xml", compress_to_fp16=False)
        _save_tokenizer(decoder.folder, out)
        folder_writer.copy_files(decoder.folder, out)
        shutil.copyfile(decoder.folder / CONFIG, out / CONFIG)

    def open(self, folder: Path, *, threads: int, exact: bool) -> _Session:
        """Load a folder on the processor."""
        options: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads}
        return _Session(folder, options | (_EXACT if exact else {}))


class _Session:
    """Generation goes through OpenVINO GenAI, likelihoods through its model by OpenVINO."""

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        self._folder, self._options = folder, options
        self._pipeline: Any = None
        self._request: Any = None

    def generate(self, prompt: Sequence[int], count: int) -> Generated:
        import openvino
        import openvino_genai as genai

        if self._pipeline is None:
            self._pipeline = genai.LLMPipeline(
                str(self._folder), "CPU", **self._options
            )
        config = genai.GenerationConfig(
            max_new_tokens=count, ignore_eos=True, do_sample=False
        )
        ids = openvino.Tensor(np.array([prompt], np.int64))
        seconds: list[float] = []
        streamer = _streamer(genai, seconds)
        found = self._pipeline.generate(ids, config, streamer)
        return Generated(tokens=tuple(found.tokens[0]), seconds=tuple(seconds))

    def nll(self, rows: Sequence[Sequence[int]]) -> float:
        import openvino

        if self._request is None:
            compiled = openvino.Core().compile_model(
                self._folder / f"{_STEM}.xml", "CPU", dict(self._options)
            )
            self._request = compiled.create_infer_request()
        return float(np.mean([self._row(row) for row in rows]))

    def _row(self, row: Sequence[int]) -> float:
        self._request.reset_state()
        ids = np.array([row], np.int64)
        found = self._request.infer(
            {
                "input_ids": ids,
                "attention_mask": np.ones_like(ids),
                "position_ids": np.arange(len(row), dtype=np.int64)[None],
                "beam_idx": np.zeros(1, np.int32),
            }
        )
        return next_token_nll(found["logits"][0], row)


def _streamer(genai: Any, seconds: list[float]) -> Any:
    """Adds to `seconds` when each token comes, from now."""
    began = time.perf_counter()

    class Clock(genai.StreamerBase):  # type: ignore[misc]
        def write(self, token: int | list[int]) -> Any:
            count = len(token) if isinstance(token, list) else 1
            seconds.extend([time.perf_counter() - began] * count)
            return genai.StreamingStatus.RUNNING

        def end(self) -> None: ...

    return Clock()


def _compressed(model: Any, weights: WeightFormat) -> Any:
    import nncf

    if weights.bits == 8:
        return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_ASYM)
    return nncf.compress_weights(
        model,
        mode=nncf.CompressWeightsMode.INT4_SYM,
        group_size=weights.group_size or -1,
        ratio=1.0,
    )


def _save_tokenizer(folder: Path, out: Path) -> None:
    """The tokenizer and detokenizer as models, with the chat template in the first."""
    import openvino
    from openvino_tokenizers import convert_tokenizer
    from transformers import AutoTokenizer

    with reading(folder, ModelError, kind="a tokenizer"), offline():
        made = AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
        both = convert_tokenizer(made, with_detokenizer=True)
    for model, name in zip(both, ("tokenizer", "detokenizer"), strict=True):
        openvino.save_model(model, out / f"openvino_{name}.xml")
