"""ONNX Runtime GenAI: its own model builder writes the folder, from the decoder's."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import scratch
from edgekit.decoders import folder_writer
from edgekit.decoders.decoder import Decoder
from edgekit.decoders.engines import onnxruntime_weights
from edgekit.decoders.engines.protocol import Generated, WeightFormat
from edgekit.decoders.log_likelihood import next_token_nll
from edgekit.errors import ArtifactError
from edgekit.safe_io import reason
from edgekit.sources.huggingface.network import offline

_GROUP_SIZE = 32
_HEAD_MULTIPLE = 16
"""Of its attention kernel."""


class OnnxRuntimeGenAI:
    """The runtime as an `Engine`."""

    name = "onnxruntime-genai"
    libraries: Mapping[str, str] = {
        "onnxruntime_genai": "onnxruntime-genai",
        "transformers": "transformers",
    }
    extra = "genai"
    bits = (32, 4)
    group_sizes = (32, 64, 128)

    def export(self, decoder: Decoder, out: Path, weights: WeightFormat) -> None:
        """Write `model.onnx`, its weights and `genai_config.json`; see `Engine.export`."""
        from onnxruntime_genai.models import builder

        if decoder.head_size % _HEAD_MULTIPLE:
            raise ArtifactError(
                f"{decoder.folder}: heads have {decoder.head_size} values, and {self.name} needs "
                f"multiples of {_HEAD_MULTIPLE}. Take another runtime."
            )
        options = ["hf_remote=false"]
        if weights.bits == 4:
            options.append(f"block_size={weights.group_size or _GROUP_SIZE}")
        precision = "fp32" if weights.bits == 32 else "int4"
        with (
            scratch.folder() as cache,
            _quiet(),
            _building(decoder),
            onnxruntime_weights.streamed(decoder),
        ):
            given = ("", str(decoder.folder), str(out), precision, "cpu", str(cache))
            builder.create_model(*given, **builder.parse_extra_options(*given, options))
        folder_writer.copy_files(decoder.folder, out)

    def open(self, folder: Path, *, threads: int, exact: bool) -> _Session:
        """Load a folder; it computes in float32 in any case, as the builder wrote it."""
        import onnxruntime_genai as og

        config = og.Config(str(folder))
        session = {"intra_op_num_threads": threads}
        config.overlay(json.dumps({"model": {"decoder": {"session_options": session}}}))
        return _Session(og.Model(config))


class _Session:
    def __init__(self, model: Any) -> None:
        self._model = model

    def generate(self, prompt: Sequence[int], count: int) -> Generated:
        generator = self._generator(len(prompt) + count, least=len(prompt) + count)
        tokens, seconds = [], []
        began = time.perf_counter()
        generator.append_tokens(np.array(prompt, np.int32))
        for _ in range(count):
            generator.generate_next_token()
            tokens.append(int(generator.get_next_tokens()[0]))
            seconds.append(time.perf_counter() - began)
        return Generated(tokens=tuple(tokens), seconds=tuple(seconds))

    def nll(self, rows: Sequence[Sequence[int]]) -> float:
        losses = []
        for row in rows:
            generator = self._generator(len(row) + 1)
            generator.append_tokens(np.array(row, np.int32))
            losses.append(next_token_nll(generator.get_output("logits")[0], row))
        return float(np.mean(losses))

    def _generator(self, length: int, least: int = 0) -> Any:
        import onnxruntime_genai as og

        params = og.GeneratorParams(self._model)
        params.set_search_options(
            max_length=length, min_length=least, do_sample=False, batch_size=1
        )
        return og.Generator(self._model, params)


@contextmanager
def _building(decoder: Decoder) -> Iterator[None]:
    """Turn what the builder raises into an `ArtifactError`."""
    try:
        yield
    except Exception as fault:
        raise ArtifactError(
            f"ONNX Runtime GenAI's builder does not take {decoder.folder}, of model_type "
            f"{decoder.parsed.model_type} ({reason(fault)}). Take another runtime."
        ) from fault


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the builder prints and logs, and without the hub, which it requests files from
    that a local folder lacks."""
    nowhere = io.StringIO()
    logging.disable(logging.INFO)
    try:
        with redirect_stdout(nowhere), redirect_stderr(nowhere), offline():
            yield
    finally:
        logging.disable(logging.NOTSET)
