"""Decoders that generate: a small one trained here and cut by a quarter, and a large one streamed.

    python -m benchmarks.decoders [--only small|large] [--minutes 8]

**small**: a Llama-like decoder is trained on the sources of Python's standard library, a quarter of
its blocks is cut, the rest distilled, and both are written for each runtime in float32 and with
weights of four bits. Each is timed in processes of its own, in turn; the text that the float32
files generate is compared with PyTorch's. The best of the processes' medians counts.

**large**: a billion random parameters in bfloat16. Each stage runs in a fresh process; memory is
the most resident set above what imports and a tiny decoder that went the same way had left. Linux
only.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.results import Row, Table
from edgekit.decoders import (
    artifact_choice,
    block_importance,
    decoder,
    decoder_cut,
    folder_cut,
    folder_writer,
    recovery,
    streaming,
    token_rows,
    trial,
)
from edgekit.decoders.decoder import EMBEDDING, NORM, block_prefix
from edgekit.decoders.engines import registry
from edgekit.decoders.engines.protocol import WeightFormat
from edgekit.decoders.recovery import Pair, RecoverySpec
from edgekit.decoders.trial import Job, SpeedJob, Trial

WORK = Path("/tmp/edgekit-decoders")
PACKAGES = ("torch", "transformers", "openvino-genai", "onnxruntime-genai")
DEPTH = 0.25
"""Fraction of the blocks that is cut."""
LENGTH = 256
VOCABULARY = 4096
PROMPT, NEW = 128, 64
LAUNCHES = 5
"""Processes that time each folder, in turn with the others. Each gives a median; the best counts,
since other work only slows."""
PARITY = 48
"""Tokens that are compared with PyTorch's."""
SMALL: dict[str, Any] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": VOCABULARY,
    "hidden_size": 256,
    "intermediate_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
LARGE = SMALL | {
    "vocab_size": 32000,
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 4096,
}
ALLOWED = 1.5
"""Times its weights that the large decoder may take in memory at the worst moment."""
_MIB = 2**20


# --- small ------------------------------------------------------------------------------------


def texts(work: Path) -> tuple[Path, Path]:
    """The standard library's sources: to train on, and every twentieth file to measure on."""
    train, held_out = work / "train.txt", work / "held_out.txt"
    library = Path(sysconfig.get_paths()["stdlib"])
    files = [
        file
        for file in sorted(library.rglob("*.py"))
        if not {"site-packages", "test", "tests", "idlelib"} & set(file.parts)
    ]
    for place, chosen in (
        (train, [f for i, f in enumerate(files) if i % 20]),
        (held_out, files[::20]),
    ):
        if not place.exists():
            place.write_text("\n".join(f.read_text("utf-8", "ignore") for f in chosen))
    return train, held_out


def write_tokenizer(text: Path, folder: Path) -> None:
    """A byte-level BPE trained on the text."""
    from tokenizers import ByteLevelBPETokenizer

    made = ByteLevelBPETokenizer()
    made.train([str(text)], VOCABULARY, special_tokens=["<|end|>"], show_progress=False)
    made.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|end|>",
        "eos_token": "<|end|>",
        "pad_token": "<|end|>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def trained(work: Path, minutes: float) -> decoder.Decoder:
    """The small decoder, trained from scratch unless it is there."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = work / "uncut"
    if folder.exists():
        return decoder.read(folder)
    train, _ = texts(work)
    empty = work / "tokenizer"
    empty.mkdir(exist_ok=True)
    write_tokenizer(train, empty)
    rows = token_rows.read(empty, [train], length=LENGTH)
    torch.manual_seed(0)
    network = LlamaForCausalLM(LlamaConfig(**SMALL)).train()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, betas=(0.9, 0.95))
    began = time.monotonic()
    seen = 0
    while (done := (time.monotonic() - began) / (minutes * 60)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * recovery.rate(done)
        batch = rows[torch.randint(0, len(rows), (16,))]
        with torch.autocast("cpu", torch.bfloat16):
            loss = network(batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        seen += batch.numel()
    print(f"trained on {seen:,} tokens, loss {loss.item():.3f}", flush=True)
    (work / "tokens_seen").write_text(str(seen))
    weights = {n: t for n, t in network.state_dict().items() if n != "lm_head.weight"}
    folder_writer.write(folder, SMALL, [weights], files_of=empty)
    return decoder.read(folder)


def greedy(opened: decoder.Decoder, prompt: Sequence[int], count: int) -> list[int]:
    """The text that PyTorch generates in float32."""
    network = recovery.load(opened)
    with torch.no_grad():
        found = network.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.int64),
            max_new_tokens=count,
            do_sample=False,
            eos_token_id=None,
        )
    return [int(token) for token in found[0, len(prompt) :]]


def small(minutes: float, threads: int) -> Iterator[Row]:
    """Train, cut, distill, export and time; a row for each file."""
    WORK.mkdir(exist_ok=True)
    uncut = trained(WORK, minutes)
    train, held_out = texts(WORK)
    rows = token_rows.read(uncut.folder, [train], length=LENGTH)
    measured = token_rows.read(uncut.folder, [held_out], length=LENGTH, limit=40)
    quick = measured[:10]
    began = time.monotonic()
    importance = block_importance.measure(uncut, rows[:64])
    sizes = decoder_cut.sizes_after(uncut, depth=DEPTH)
    plan = decoder_cut.choose(uncut, importance, sizes)
    cut = _kept(WORK / "cut") or folder_cut.cut(uncut, plan, WORK / "cut")
    planned_s = time.monotonic() - began
    pair = Pair(student=cut, teacher=uncut, kept=folder_cut.kept_blocks(cut.folder))
    spec = RecoverySpec(steps=10**6, batch_size=8, learning_rate=5e-4, minutes=minutes)
    student = _kept(WORK / "distilled") or recovery.recover(
        pair, rows, spec, WORK / "distilled"
    )
    yield {
        "case": "quality",
        "name": "pytorch",
        "engine": "pytorch",
        "format": "fp32",
        "parameters": _parameters(uncut),
        "parameters_left": _parameters(student),
        "blocks": [uncut.blocks, student.blocks],
        "kept": list(pair.kept),
        "influence": [round(each.influence, 4) for each in importance.blocks],
        "cut_s": round(planned_s, 1),
        "tokens_trained_on": int((WORK / "tokens_seen").read_text()),
        "training_minutes": minutes,
        "perplexity_uncut": round(streaming.perplexity(uncut, measured), 3),
        "perplexity_cut": round(streaming.perplexity(cut, measured), 3),
        "perplexity_distilled": round(streaming.perplexity(student, measured), 3),
        "held_out_tokens": measured.numel(),
    }
    prompt = measured[0, :PROMPT].tolist()
    files: list[tuple[str, artifact_choice.Export]] = []
    expected: dict[str, list[int]] = {}
    for name, opened in (("uncut", uncut), ("distilled", student)):
        expected[name] = greedy(opened, prompt, PARITY)
        for engine in registry.ENGINES:
            files += [
                (name, one) for one in _exports(opened, engine, name, quick, threads)
            ]
    runs = _timed(files, prompt, threads)
    for name, one in files:
        yield _row(name, one, runs[one.folder], expected[name], measured, threads)


def _exports(
    opened: decoder.Decoder, engine: str, name: str, rows: Tensor, threads: int
) -> list[artifact_choice.Export]:
    """The folder in float32, and with four bits in the group size of the lowest perplexity."""
    place = WORK / "files" / f"{name}-{engine}"
    for old in (place / "fp32", place / "int4"):
        if old.exists():
            subprocess.run(["rm", "-r", str(old)], check=True)
    return [
        artifact_choice.export(opened, engine, WeightFormat(), place / "fp32"),
        artifact_choice.export_int4(
            opened, engine, rows, place / "int4", threads=threads
        ),
    ]


def _timed(
    files: Sequence[tuple[str, artifact_choice.Export]],
    prompt: Sequence[int],
    threads: int,
) -> dict[Path, list[Trial]]:
    """Each folder's trials: every launch goes once through all folders."""
    speed = SpeedJob(prompt=prompt, count=NEW, repeats=5)
    found: dict[Path, list[Trial]] = {one.folder: [] for _, one in files}
    for launch in range(LAUNCHES):
        for _, one in files if launch % 2 == 0 else reversed(files):
            job = Job(
                engine=one.engine, folder=one.folder, threads=threads, speed=speed
            )
            found[one.folder].append(trial.measure(job))
    return found


def _row(
    name: str,
    one: artifact_choice.Export,
    runs: Sequence[Trial],
    expected: Sequence[int],
    measured: Tensor,
    threads: int,
) -> Row:
    exact = one.weights.bits == 32
    prompt = measured[0, :PROMPT].tolist()
    checked = trial.measure(
        Job(
            engine=one.engine,
            folder=one.folder,
            threads=threads,
            exact=exact,
            speed=SpeedJob(prompt=prompt, count=PARITY, repeats=1),
            rows=measured.tolist(),
        )
    )
    same = sum(a == b for a, b in zip(checked.tokens, expected, strict=False))
    return {
        "case": "small",
        "name": name,
        "engine": one.engine,
        "format": one.weights.label.split("-")[0],
        "group_size": one.weights.group_size,
        "groups_tried": [[size, round(p, 3)] for size, p in one.tried],
        "threads": threads,
        "size_mb": round(one.size_mb, 2),
        "tokens_per_s": round(max(r.tokens_per_s or 0 for r in runs), 1),
        "tokens_per_s_runs": [round(r.tokens_per_s or 0, 1) for r in runs],
        "ttft_ms": round(min(r.ttft_ms or 0 for r in runs), 2),
        "ttft_ms_runs": [round(r.ttft_ms or 0, 2) for r in runs],
        "peak_mib": round(max(r.peak_mib or 0 for r in runs), 1),
        "perplexity": round(checked.perplexity or math.nan, 3),
        "same_tokens_as_pytorch": same,
        "tokens_compared": PARITY,
    }


def _kept(folder: Path) -> decoder.Decoder | None:
    return decoder.read(folder) if folder.exists() else None


def _parameters(opened: decoder.Decoder) -> int:
    return sum(math.prod(shape) for shape in opened.shapes.values())


# --- large ------------------------------------------------------------------------------------


def write_large(folder: Path, config: dict[str, Any]) -> None:
    """A decoder of random weights in bfloat16, a block at a time, with the small's tokenizer."""
    if folder.exists():
        return
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.device("meta"):
        network = LlamaForCausalLM(LlamaConfig(**config))
    shapes = {n: t.shape for n, t in network.state_dict().items() if "lm_head" not in n}
    generator = torch.Generator().manual_seed(0)

    def drawn(name: str) -> Tensor:
        if "norm" in name:
            return torch.ones(shapes[name], dtype=torch.bfloat16)
        scale = shapes[name][-1] ** -0.5
        made = torch.empty(shapes[name]).normal_(0, scale, generator=generator)
        return made.to(torch.bfloat16)

    def shards() -> Iterator[dict[str, Tensor]]:
        yield {name: drawn(name) for name in (EMBEDDING, NORM)}
        for index in range(config["num_hidden_layers"]):
            start = block_prefix(index)
            yield {name: drawn(name) for name in shapes if name.startswith(start)}

    tokenizer = WORK / "tokenizer"
    if not (tokenizer / "tokenizer.json").exists():
        tokenizer.mkdir(parents=True, exist_ok=True)
        write_tokenizer(texts(WORK)[0], tokenizer)
    folder_writer.write(
        folder, config | {"dtype": "bfloat16"}, shards(), files_of=tokenizer
    )


@dataclass(frozen=True)
class Stage:
    """Of the large decoder, in a process of its own."""

    seconds: float
    peak_bytes: int
    """Above what imports and the tiny decoder had left."""


def stage(title: str, folder: Path) -> None:
    """Run a stage on a folder; the cut decoder and the files lie beside it."""
    opened = decoder.read(folder)
    rows = torch.randint(5, VOCABULARY, (8, 128), generator=torch.manual_seed(0))
    scores = folder.with_name(f"{folder.name}-scores.pt")
    cut = folder.with_name(f"{folder.name}-cut")
    if title == "measure":
        torch.save(block_importance.measure(opened, rows), scores)
    elif title == "cut":
        importance = torch.load(scores, weights_only=False)
        sizes = decoder_cut.sizes_after(opened, depth=DEPTH)
        folder_cut.cut(opened, decoder_cut.choose(opened, importance, sizes), cut)
    else:
        out = folder.with_name(f"{folder.name}-{title}")
        weights = WeightFormat(bits=4, group_size=64)
        artifact_choice.export(decoder.read(cut), title, weights, out)


def _staged(title: str, folder: Path, tiny: Path, threads: int) -> Stage:
    """The stage in a fresh process, behind the same of a tiny decoder."""
    command = [sys.executable, "-m", "benchmarks.decoders", "--threads", str(threads)]
    done = subprocess.run(
        [*command, "--stage", title, str(tiny), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    return Stage(**json.loads(done.stdout.splitlines()[-1]))


def _here(title: str, tiny: Path, folder: Path) -> Stage:
    stage(title, tiny)
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again
    began = time.perf_counter()
    stage(title, folder)
    seconds = time.perf_counter() - began
    return Stage(round(seconds, 1), _resident("VmHWM") - before)


def _resident(key: str) -> int:
    status = Path("/proc/self/status").read_text()
    (kibibytes,) = re.findall(rf"{key}:\s+(\d+) kB", status)
    return int(kibibytes) * 1024


def large(threads: int) -> Iterator[Row]:
    """Measure, cut and export a billion parameters."""
    place = WORK / "large"
    if place.exists():
        subprocess.run(["rm", "-r", str(place)], check=True)
    place.mkdir(parents=True)
    write_large(place / "tiny", SMALL | {"num_hidden_layers": 4})
    write_large(place / "decoder", LARGE)
    opened = decoder.read(place / "decoder")
    weights = opened.bytes()
    for title in ("measure", "cut", *registry.ENGINES):
        found = _staged(title, opened.folder, place / "tiny", threads)
        yield {
            "case": "large",
            "name": title,
            "engine": title if title in registry.ENGINES else None,
            "format": "int4" if title in registry.ENGINES else "bf16",
            "parameters": _parameters(opened),
            "weights_mib": round(weights / _MIB),
            "seconds": found.seconds,
            "peak_mib": round(found.peak_bytes / _MIB),
            "peak_over_weights": round(found.peak_bytes / weights, 3),
            "threads": threads,
        }


# --- both -------------------------------------------------------------------------------------


def summarize(rows: list[Row]) -> Row:
    """Speed-ups and perplexities by runtime, and the worst memory of the large decoder."""
    found = {
        (r["name"], r["engine"], r["format"]): r for r in rows if r["case"] == "small"
    }
    engines = sorted({engine for _, engine, _ in found})

    def ratio(engine: str, before: tuple[str, str]) -> float | None:
        old = found.get((before[0], engine, before[1]))
        new = found.get(("distilled", engine, "int4"))
        if not (old and new and old["tokens_per_s"] and new["tokens_per_s"]):
            return None
        return round(new["tokens_per_s"] / old["tokens_per_s"], 3)

    quality = next((r for r in rows if r["case"] == "quality"), {})
    peaks = {r["name"]: r["peak_over_weights"] for r in rows if r["case"] == "large"}
    int4 = {
        e: found[key] for e in engines if (key := ("distilled", e, "int4")) in found
    }
    return {
        "before": "uncut, float32",
        "after": "a quarter of the blocks cut, distilled, weights of four bits",
        "speedup_tokens_per_s": {e: ratio(e, ("uncut", "fp32")) for e in engines},
        "speedup_tokens_per_s_of_the_cut": {
            e: ratio(e, ("uncut", "int4")) for e in engines
        },
        "perplexity_before": quality.get("perplexity_uncut"),
        "perplexity_after": {e: row["perplexity"] for e, row in int4.items()},
        "peak_over_weights": peaks,
        "peak_over_weights_allowed": ALLOWED,
        "fp32_text_same_as_pytorch": all(
            r["same_tokens_as_pytorch"] == r["tokens_compared"]
            for r in found.values()
            if r["format"] == "fp32"
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("small", "large"))
    parser.add_argument("--minutes", type=float, default=8.0, help="of each training")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--stage", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.stage:
        title, tiny, folder = arguments.stage
        print(json.dumps(asdict(_here(title, Path(tiny), Path(folder)))))
        return
    table = Table("decoders", ("case", "name", "engine", "format"), PACKAGES)
    cases = {
        "small": lambda: small(arguments.minutes, arguments.threads),
        "large": lambda: large(arguments.threads),
    }
    for name in [arguments.only] if arguments.only else cases:
        for row in cases[name]():
            table.add(row, summarize)
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
