"""Types of a package, generated from its contract."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

_ANSWERS = {
    "label": """export interface Answer {
  /** The likeliest class. */
  label: Label;%s
  outputs: Outputs;
}""",
    "classes": """export interface Answer {
  /** The number of the likeliest class of each place; `labels` has the names. */
  classes: Int32Array;
  shape: number[];
  outputs: Outputs;
}""",
    "boxes": """export interface Box {
  /** Four numbers in the order and unit of the model. */
  box: [number, number, number, number];
  label: Label;
  index: number;
  /** Of the likeliest class, as the model gives it. */
  score: number;
}

export interface Answer {
  /** Every place of the model: none is left out or merged. */
  boxes: Box[];
  outputs: Outputs;
}""",
    "decoded": """export interface Box {
  /** Its corners x1, y1, x2, y2 in pixels of the picture; of the input, for a sample of numbers. */
  box: [x1: number, y1: number, x2: number, y2: number];
  label: Label;
  index: number;
  /** From 0 to 1. */
  score: number;
}

export interface Answer {
  /** The surest first; of boxes of a class that overlap the best remains. */
  boxes: Box[];
  outputs: Outputs;
}""",
    "values": """export interface Answer {
  outputs: Outputs;
}""",
}
_SCORES = """
  /** Its probability. */
  score: number;
  /** The probability of each class. */
  scores: Record<Label, number>;"""
_HEAD = """// Generated from the contract of the model: do not edit.

export type Numbers =
  | readonly number[] | Float32Array | Float64Array
  | Uint8Array | Uint8ClampedArray | Int8Array | Int16Array | Int32Array;
"""
_PICTURE = """
export type Picture =
  | Blob | ImageBitmap | ImageData | HTMLImageElement | HTMLCanvasElement
  | HTMLVideoElement | OffscreenCanvas;
"""
_REST = """
export interface LoadOptions {
  /** Address of the folder with the runtime's .wasm files; by default that of the package. */
  runtimeFiles?: string | URL;
  /** Address of the model's file, where it does not lie beside this module. */
  model?: string | URL;%s
  /** More than 1 only has an effect where the page is cross-origin isolated. */
  threads?: number;
  accelerator?: %s;
}

/** Raised on purpose: by the sample, by a file, or by the runtime. */
export declare class ModelError extends Error {
  readonly code: "input" | "files" | "runtime";
}

export interface Model {
  /** The answer to one sample. Calls take turns. */
  run(sample: Sample): Promise<Answer>;
  /** What the sample becomes before the model: numbers for each input. */
  prepared(sample: Sample): Promise<Record<InputName, Float32Array | Int32Array>>;
  close(): Promise<void>;
}

/** Loads the model and its runtime. Raises ModelError. */
export declare function load(options?: LoadOptions): Promise<Model>;

export declare const labels: readonly Label[] | null;
export declare const contract: Readonly<Record<string, unknown>>;
"""


def declarations(contract: Mapping[str, Any]) -> str:
    """The text of `index.d.ts`."""
    inputs, text = contract["inputs"], contract["text"]
    tokenizer = (
        ""
        if text is None
        else "\n  /** Of `tokenizer.json`. */\n  tokenizer?: string | URL;"
    )
    outputs = "".join(
        f"  {json.dumps(one['name'])}: Float32Array;\n" for one in contract["outputs"]
    )
    parts = [
        _HEAD,
        _PICTURE if any(one["image"] for one in inputs) else "",
        f"\nexport type Sample = {_sample(inputs, text)};\n",
        f"\nexport type Label = {_union(contract['labels'])};\n",
        f"\nexport type InputName = {_union([one['name'] for one in inputs])};\n",
        f"\n/** In real numbers, row by row. */\nexport interface Outputs {{\n{outputs}}}\n",
        f"\n{_answer(contract)}\n",
        _REST % (tokenizer, _union(contract["accelerators"])),
    ]
    return "".join(parts)


def _answer(contract: Mapping[str, Any]) -> str:
    form = "decoded" if contract["decoder"] else contract["form"]
    if form != "label":
        return _ANSWERS[form]
    return _ANSWERS[form] % ("" if contract["postprocess"] == "argmax" else _SCORES)


def _union(names: Sequence[str] | None) -> str:
    return (
        " | ".join(json.dumps(name) for name in dict.fromkeys(names or ())) or "string"
    )


def _sample(inputs: Sequence[Mapping[str, Any]], text: Mapping[str, Any] | None) -> str:
    if text is not None:
        return "readonly [text: string, second: string]" if text["pair"] else "string"
    kinds = ["Picture | Numbers" if one["image"] else "Numbers" for one in inputs]
    if len(inputs) == 1:
        return kinds[0]
    named = zip(inputs, kinds, strict=True)
    fields = "; ".join(f"{json.dumps(one['name'])}: {kind}" for one, kind in named)
    return f"{{ {fields} }}"
