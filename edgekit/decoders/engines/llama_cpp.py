"""llama.cpp: one GGUF file, run by llama-cpp-python."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.decoders import folder_writer
from edgekit.decoders.decoder import Decoder
from edgekit.decoders.engines import gguf_file
from edgekit.decoders.engines.gguf_tokenizer import GgufTokenizer
from edgekit.decoders.engines.protocol import Generated, WeightFormat
from edgekit.decoders.log_likelihood import next_token_nll

FILE = "model.gguf"
_LOG = logging.getLogger("edgekit.decoders")
_CONTEXT_STEP = 256
_HELD: list[Any] = []


class LlamaCpp:
    """The runtime as an `Engine`."""

    name = "llama.cpp"
    libraries: Mapping[str, str] = {
        "gguf": "gguf",
        "llama_cpp": "llama-cpp-python",
        "transformers": "transformers",
    }
    extra = "gguf"
    bits = (32, 16, 8, 4)
    group_sizes = (gguf_file.GROUP_SIZE,)

    def export(self, decoder: Decoder, out: Path, weights: WeightFormat) -> None:
        """Write `model.gguf`, tokenizer and chat template in it; see `Engine.export`."""
        llama_cpp, tokenizer = _library(), GgufTokenizer.read(decoder.folder)
        gguf_file.write(decoder, tokenizer, out / FILE, weights.bits)
        opened = llama_cpp.Llama(str(out / FILE), vocab_only=True, verbose=False)
        tokenizer.check(lambda text: opened.tokenize(text.encode()))
        opened.close()
        folder_writer.copy_files(decoder.folder, out)

    def open(self, folder: Path, *, threads: int, exact: bool) -> _Session:
        """Load a folder on the processor."""
        return _Session(folder / FILE, threads, exact)


class _Session:
    """Opens the file again where a text needs a longer cache, whose length is fixed."""

    def __init__(self, file: Path, threads: int, exact: bool) -> None:
        llama_cpp = _library()
        self._file, self._opened = file, llama_cpp.Llama
        self._options: dict[str, Any] = {
            "n_threads": threads,
            "n_threads_batch": threads,
            "n_gpu_layers": 0,
            "verbose": False,
        }
        if exact:
            kind = llama_cpp.GGML_TYPE_F32
            self._options |= {"type_k": kind, "type_v": kind}
        self._model: Any = None
        self._all_logits = False

    def generate(self, prompt: Sequence[int], count: int) -> Generated:
        model = self._loaded(len(prompt) + count, all_logits=False)
        model.reset()
        seconds: list[float] = []
        tokens: list[int] = []
        began = time.perf_counter()
        for token in model.generate(list(prompt), temp=0.0, reset=False):
            tokens.append(token)
            seconds.append(time.perf_counter() - began)
            if len(tokens) == count:
                break
        return Generated(tokens=tuple(tokens), seconds=tuple(seconds))

    def nll(self, rows: Sequence[Sequence[int]]) -> float:
        model = self._loaded(max(map(len, rows)), all_logits=True)
        losses = []
        for row in rows:
            model.reset()
            model.eval(list(row))
            losses.append(next_token_nll(model.scores[: len(row)], row))
        return float(np.mean(losses))

    def _loaded(self, length: int, *, all_logits: bool) -> Any:
        fits = self._model is not None and self._model.n_ctx() >= length
        if not fits or self._all_logits != all_logits:
            self._model = None  # its memory first
            self._all_logits = all_logits
            self._model = self._opened(
                str(self._file),
                n_ctx=-(-length // _CONTEXT_STEP) * _CONTEXT_STEP,
                logits_all=all_logits,
                **self._options,
            )
        return self._model


@functools.cache
def _library() -> Any:
    """The binding, whose warnings go to the log: without that it prints them in any case."""
    import llama_cpp

    def note(_level: int, text: bytes, _data: Any) -> None:
        if text.strip():
            _LOG.debug("%s", text.decode(errors="replace").strip())

    callback = llama_cpp.llama_log_callback(note)
    _HELD.append(callback)  # C keeps no reference
    llama_cpp.llama_log_set(callback, None)
    return llama_cpp
