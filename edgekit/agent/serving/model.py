"""A model with everything around it: what an image for a device holds, loaded and ready.

`image.json` in the bundle's folder names the runtime of each file, the preprocessing of
samples and the classes.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import runtimes
from ..arrays import arranged, dequantize, quantize
from ..errors import (
    FILES,
    INPUTS_INVALID,
    JOB_INVALID,
    OUTPUT_NOT_FINITE,
    AgentError,
)
from ..session import TensorInfo, run
from .decode import Array
from .encode import Text, TextEncoder
from .user_decoder import UserDecoder

FOLDER = "EDGEKIT_BUNDLE"
"""Environment variable that names the bundle's folder; `/opt/edgekit/bundle` without it."""
DESCRIPTION = "image.json"


def describe() -> tuple[Path, dict[str, Any]]:
    """The bundle's folder and its description; raises `files` where there is none."""
    folder = Path(os.environ.get(FOLDER, "/opt/edgekit/bundle"))
    try:
        text = (folder / DESCRIPTION).read_text(encoding="utf-8")
        description: dict[str, Any] = json.loads(text)
    except (OSError, ValueError) as error:
        raise AgentError(
            FILES, f"Cannot read {folder / DESCRIPTION} ({error}). Set {FOLDER}."
        ) from error
    return folder, description


class ServedModel:
    """One loaded model. `infer` may be called from any thread; inferences take turns."""

    def __init__(
        self,
        folder: Path,
        description: Mapping[str, Any],
        model: str | None = None,
        *,
        allow_code: bool = False,
    ) -> None:
        self.description = description
        self.model = chosen(description, model)
        self.path = str(folder / description["models"][self.model]["files"][0])
        runtime, self.runtime_version = runtimes.find(description["runtime"])
        own = description["models"][self.model].get("runtime_options", {})
        self.layout: str | None = description["models"][self.model].get("layout")
        options = runtimes.settings(runtime, own.get("options", {}))
        threads = own.get("threads") or description["threads"]
        self._session = runtimes.open_model(runtime, self.path, threads, options)
        self._turn = threading.Lock()
        self.inputs = self._session.inputs
        self.layouts: list[str | None] = description["models"][self.model].get(
            "layouts", [self.layout] * len(self.inputs)
        )
        self.outputs = self._session.outputs
        self.text: Mapping[str, Any] | None = description.get("text")
        filled = (self.text or {}).get("inputs", {})
        self.beside = [x for x in self.inputs if self.text and x.name not in filled]
        """Inputs of a model of texts that their tokens do not fill."""
        self._tokenizer = folder / (self.text or {}).get("tokenizer", "")
        self._encoder: TextEncoder | None = None
        reads = description.get("reads", ())
        names = [info.name for info in self.outputs]
        self.read: int | None = 0 if len(names) == 1 else None
        """Number of the output that labels are of; `None` of several without a choice."""
        if len(reads) == 1 and reads[0] in names:
            self.read = names.index(reads[0])
        self.decoder: Mapping[str, Any] | None = description.get("decoder")
        code: Mapping[str, Any] | None = description.get("decoder_code")
        self.user_decoder: UserDecoder | None = None
        self.code_left_out: str | None = None
        """The file with the bundle's own decoder, which was not allowed to run."""
        if code is not None and allow_code:
            self.user_decoder = UserDecoder(folder, code)
        elif code is not None:
            self.code_left_out = str(code["file"])
        self.located = [names.index(name) for name in reads if name in names]
        """Numbers of the outputs with boxes, and with their scores where those are apart."""

    @property
    def finds_boxes(self) -> bool:
        """Return whether outputs are decoded to boxes here."""
        return self.decoder is not None or self.user_decoder is not None

    def tokens(
        self,
        texts: Sequence[Text],
        name: str,
        beside: Mapping[str, Array] | None = None,
    ) -> list[Array]:
        """Samples (n, ...) of each input, in order, of a model that takes texts; `beside` has
        those (n, *shape) that tokens do not fill, by name.

        Raises `runtime_missing` without the package tokenizers, `inputs_invalid` for other texts
        and for another number of samples beside them.
        """
        given = beside or {}
        for info in self.beside:
            if len(given.get(info.name, ())) != len(texts):
                raise AgentError(
                    INPUTS_INVALID,
                    f"{self.model} takes '{info.name}' beside each text; see {name}. Give "
                    f'{{"text": "...", "{info.name}": [...]}}.',
                )
        with self._turn:
            if self._encoder is None:
                self._encoder = TextEncoder(_content(self._tokenizer), self.text or {})
        self._encoder.check(texts, name)
        found = {**given, **self._encoder.encode(texts, name)}
        return [found[info.name] for info in self.inputs]

    def check_one(self) -> None:
        """Raise `job_invalid` for a model of several inputs."""
        if len(self.inputs) != 1:
            raise AgentError(
                JOB_INVALID,
                f"{self.model} takes {len(self.inputs)} inputs "
                f"({', '.join(one.name for one in self.inputs)}), and this is one. Give a "
                ".npz with an array for each by name.",
            )

    def run(self, arrays: list[Array]) -> list[Array]:
        """One inference on what the model stores: arrays of exactly its shapes and dtypes."""
        with self._turn:
            return run(self._session, arrays)

    def infer(self, sample: Sequence[Array]) -> list[Array]:
        """Outputs in real numbers of one real sample, (channels, ...) for each input: turned for
        a model that takes channels last, and quantized on the way in and out."""
        outputs = self.run(
            [
                quantize(arranged(values[None], layout), info).reshape(info.shape)
                for values, layout, info in zip(sample, self.layouts, self.inputs)
            ]
        )
        return self.real(outputs)

    def real(self, outputs: Sequence[Array]) -> list[Array]:
        """Outputs of `run` in real numbers; raises `output_not_finite`."""
        return [
            finite(dequantize(o, info), info) for o, info in zip(outputs, self.outputs)
        ]


def _content(tokenizer: Path) -> str:
    try:
        return tokenizer.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise AgentError(FILES, f"Cannot read {tokenizer} ({error}).") from error


def chosen(description: Mapping[str, Any], model: str | None) -> str:
    """The name of a model in the bundle; raises `job_invalid` with those there are."""
    name = model or str(description["default"])
    if name not in description["models"]:
        known = ", ".join(description["models"])
        raise AgentError(JOB_INVALID, f"No model {name!r} here. Known: {known}.")
    return name


def finite(values: Array, info: TensorInfo) -> Array:
    """The same values of an output; raises `output_not_finite` for values that JSON
    lacks."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise AgentError(
            OUTPUT_NOT_FINITE,
            f"The output {info.name!r} holds NaN or infinity. The inputs are far from what "
            "the model was made for, or it overflows in this precision.",
        )
    return values
