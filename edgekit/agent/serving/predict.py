"""Output of `infer`, `bench` and `info` of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import bench, energy, machine
from ..arrays import of_network
from ..errors import INPUTS_INVALID, JOB_INVALID, AgentError
from ..schema import SCHEMA
from . import limits
from .decode import (
    NPY,
    ZIP,
    Array,
    Placement,
    arrays_in,
    decode,
    image_placement,
    prepared,
)
from .detect import detected
from .encode import Text, checked, documents_in, texts_of
from .model import ServedModel, chosen, describe

_SUFFIXES = (
    ".bmp", ".gif", ".jpeg", ".jpg", ".npy", ".pgm", ".png", ".ppm", ".wav", ".webp",
)  # fmt: skip
_TEXTS = (".json", ".jsonl", ".npz", ".txt")
_LEAST = {50: 1, 90: 29, 95: 59, 99: 299}
"""Samples from which a percentile has an upper bound at 95 % confidence, whatever the shape."""


class Answerer:
    """Labels and scores from the bytes of images or texts."""

    def __init__(self, model: str | None, *, allow_code: bool = False) -> None:
        self._served = ServedModel(*describe(), model, allow_code=allow_code)

    @property
    def code_left_out(self) -> str | None:
        """The bundle's own decoder, which was not allowed to run."""
        return self._served.code_left_out

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Endings of the files that are read of a folder."""
        return _TEXTS if self._served.text else _SUFFIXES

    def answers(self, content: bytes, name: str) -> list[dict[str, Any]]:
        """One answer a sample; raises `inputs_invalid` for what cannot be read."""
        samples, where = self._samples(content, name), None
        if self._served.finds_boxes and not content.startswith((NPY, ZIP)):
            [(shape, contract)] = self._inputs().values()
            where = image_placement(content, shape, contract)
        return self._each(samples, name, where)

    def answers_text(self, text: str) -> list[dict[str, Any]]:
        """The answer to one text; raises `job_invalid` for a model of other samples."""
        if not self._served.text:
            raise AgentError(JOB_INVALID, f"{self._served.model} takes no texts.")
        name = "the text"
        return self._each(self._served.tokens([checked(text, name)], name), name)

    def _each(
        self, samples: list[Array], name: str, where: Placement | None = None
    ) -> list[dict[str, Any]]:
        served = self._served
        if not all(np.isfinite(part).all() for part in samples):
            raise AgentError(
                INPUTS_INVALID, f"{name} holds a number that is not finite in float32."
            )
        count = len(samples[0])
        return [
            {
                "source": name,
                **({"sample": number} if count > 1 else {}),
                "model": served.model,
                **self._one([part[number] for part in samples], where),
            }
            for number in range(count)
        ]

    def _samples(self, content: bytes, name: str) -> list[Array]:
        """Samples (n, *shape) of each input: of a .npz by name, else of the only one."""
        served = self._served
        if served.text and not content.startswith((NPY, ZIP)):
            return self._texts(documents_in(content, name), name)
        if not content.startswith(ZIP):
            served.check_one()
            [(shape, contract)] = self._inputs().values()
            return [decode(content, name, shape, contract)]
        arrays = arrays_in(content, name)
        if served.text and "text" in arrays:
            return self._texts([{k: v.tolist() for k, v in arrays.items()}], name)
        return prepared(arrays, name, self._inputs())

    def _inputs(self) -> dict[str, tuple[Sequence[int], Mapping[str, Any]]]:
        """Shape and preprocessing of each input by name."""
        served, alone = self._served, self._served.description["preprocessing"]
        contracts = served.description.get("preprocessing_by_input", {})
        return {
            info.name: (
                of_network(info.shape[1:], layout),
                contracts.get(info.name, alone),
            )
            for info, layout in zip(served.inputs, served.layouts)
        }

    def _texts(self, documents: Sequence[Any], name: str) -> list[Array]:
        """Samples of each input from objects of texts and of what comes beside them."""
        served, known = self._served, self._inputs()
        beside = {info.name: known[info.name] for info in served.beside}
        texts: list[Text] = []
        parts: list[list[Array]] = []
        rows = (row for one in documents for row in (one if _listed(one) else [one]))
        for row in rows:
            texts += texts_of(row, name)
            if beside and isinstance(row, dict) and {*beside} <= {*row}:
                given = {each: row[each] for each in beside}
                parts.append(prepared(given, name, beside))
        columns = dict(zip(beside, map(np.concatenate, zip(*parts))))
        return served.tokens(texts, name, columns)

    def _one(self, sample: list[Array], where: Placement | None) -> dict[str, Any]:
        outputs = self._served.infer(sample)
        description = self._served.description
        labels = description["labels"]
        if self._served.finds_boxes:
            return {"boxes": detected(self._served, outputs, where)}
        answer: dict[str, Any] = {
            "outputs": [output.reshape(output.shape[1:]).tolist() for output in outputs]
        }
        if len(outputs) > 1:
            answer["names"] = [info.name for info in self._served.outputs]
        if self._served.read is None or not description.get("labels_samples", True):
            return answer
        read = outputs[self._served.read]
        first, done = read.ravel(), description.get("postprocess")
        if done == "argmax" and len(first) == 1:
            index = int(first[0])
            return {"label": labels[index] if labels else str(index), **answer}
        if read.ndim != 2:
            return answer  # no row of class scores
        scores = first if done == "softmax" else softmax(first)
        index = int(first.argmax())
        names = labels or [str(number) for number in range(len(first))]
        return {
            "label": names[index],
            "score": float(scores[index]),
            "scores": dict(zip(names, map(float, scores))),
            **answer,
        }


def _listed(document: Any) -> bool:
    """Return whether a document is a list of objects."""
    return isinstance(document, list) and any(isinstance(x, dict) for x in document)


def softmax(logits: Array) -> Array:
    """Of one row, in double precision."""
    powers = np.exp(logits.astype(np.float64) - float(logits.max()))
    return np.asarray(powers / powers.sum())


def benched(model: str | None, seconds: float) -> dict[str, Any]:
    """One launch's figures; under emulation there are none, and `invalid` has the
    reason."""
    folder, description = describe()
    name = chosen(description, model)
    emulated, evidence = machine.emulation()
    shared = {"model": name, "runtime": description["runtime"]}
    if emulated:
        reason = f"emulated ({evidence}): latency and energy do not apply to any device"
        return {**shared, "latency_ms": None, "invalid": reason}
    path = str(folder / description["models"][name]["files"][0])
    result = bench.bench(
        {
            "schema": SCHEMA,
            "kind": "bench",
            "runtime": description["runtime"],
            "path": path,
            "threads": description["threads"],
            "warmup_min_s": min(2.0, seconds),
            "min_s": seconds,
            "max_s": seconds * 6,
        }
    )
    samples = np.sort(np.asarray(result["samples_ns"])) / 1e6
    return {
        **shared,
        "runtime_version": result["runtime_version"],
        "threads": result["threads"],
        "samples": len(samples),
        "latency_ms": {
            f"p{p}": float(np.percentile(samples, p)) if len(samples) >= least else None
            for p, least in _LEAST.items()
        },
        "load_ms": result["load_ms"],
        "first_ms": result["first_ms"],
        "peak_memory_mb": result["peak_memory_mb"],
        "energy": _energy(path, description, seconds),
        "machine": result["machine"],
        "invalid": None
        if result["complete"]
        else f"only {len(samples)} inferences in the time allowed",
    }


def _energy(
    path: str, description: Mapping[str, Any], seconds: float
) -> dict[str, Any]:
    """Gross millijoules of an inference where the container sees a meter, else the reason."""
    found = energy.energy(
        {
            "schema": SCHEMA,
            "kind": "energy",
            "runtime": description["runtime"],
            "path": path,
            "threads": description["threads"],
            "window_s": min(2.0, seconds),
            "idle_s": min(2.0, seconds),
        }
    )
    if found["meter"] is None:
        return {"gross_mj": None, "method": "none", "reason": found["reason"]}
    runs = sum(window["runs"] for window in found["windows"])
    joules = sum(window["joules"] for window in found["windows"])
    return {
        "gross_mj": joules * 1e3 / runs,
        "meter": found["meter"],
        "method": found["method"],
        "boundary": found["boundary"],
        "reason": None,
    }


def facts() -> dict[str, Any]:
    """Contents of this image, and the machine and limits it runs in."""
    _, description = describe()
    memory = limits.memory()
    return {
        **description,
        "machine": machine.facts(),
        "memory_limit_mb": memory.limit_mb,
        "memory_peak_mb": memory.peak_mb,
    }
