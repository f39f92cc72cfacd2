"""A cache with every kind of record, damaged in seeded ways: results stay what they were."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.cost.measure import OperatorCost
from edgekit.cost.table import TableState
from edgekit.distill import Distilled
from edgekit.pipeline.stage_records import ArraysRecord, ArtifactRecord, NetworkRecord
from edgekit.pipeline.training import _Record
from edgekit.program.program import Program, trace
from edgekit.progress import Silent
from edgekit.store import Json, Stage, Store, kept
from edgekit.types import Artifact, Epoch, InputSpec

SEEDS, QUICK = 200, 40
KINDS = (
    *("flip one bit", "flip a run", "truncate", "zero a page", "empty"),
    *("swap with another", "append rubbish", "delete"),
)


def damage(root: Path, seed: int) -> str:
    """Damage one file of a cache; which, and how."""
    draw = random.Random(seed)
    files = sorted(p for p in root.rglob("*") if p.is_file() and p.stat().st_size)
    victim, kind = draw.choice(files), draw.choice(KINDS)
    data = bytearray(victim.read_bytes())
    at = draw.randrange(len(data))
    if kind == "flip one bit":
        data[at] ^= 1 << draw.randrange(8)
    elif kind == "flip a run":
        data[at : at + 16] = draw.randbytes(len(data[at : at + 16]))
    elif kind == "truncate":
        del data[at:]
    elif kind == "zero a page":
        page = at // 4096 * 4096
        data[page : page + 4096] = bytes(len(data[page : page + 4096]))
    elif kind == "empty":
        data.clear()
    elif kind == "swap with another":
        alike = [p for p in files if p.name == victim.name and p != victim]
        data = bytearray(draw.choice(alike or [victim]).read_bytes())
    elif kind == "append rubbish":
        data += draw.randbytes(100)
    victim.unlink() if kind == "delete" else victim.write_bytes(data)
    return f"{victim.relative_to(root)}: {kind}"


def network(seed: int) -> Program:
    torch.manual_seed(seed)
    return trace(nn.Linear(4, 2), (InputSpec(shape=(4,)),))


def distilled(seed: int) -> Distilled:
    epoch = Epoch(number=0, loss=0.1 * seed, validation=0.5, seconds=1.0)
    return Distilled(program=network(seed), epochs=(epoch,), kept_epoch=0, metric="m")


def artifact(folder: Path, seed: int) -> Artifact:
    file = folder / f"made-{seed}.onnx"
    file.write_bytes(random.Random(seed).randbytes(5000))
    return Artifact(
        name="x",
        runtime="onnxruntime",
        precision="fp32",
        files=(file,),
        inputs=(),
        outputs=(),
    )


def table(seed: int) -> TableState:
    cell = OperatorCost(cost=float(seed), rounds=(0.1, 0.2))
    return TableState(cells={"a": cell}, inferred={"b": 1 / 3}, samples={})


def entries(folder: Path) -> Iterator[tuple[Stage[Any], Any, Any]]:
    """Two stages of each kind, with their results and what identifies these."""
    makers = {
        "tables": (Json[TableState](TableState), table),
        "arrays": (ArraysRecord(), lambda s: {"a": np.full(900, s), "b": np.ones(s)}),
        "networks": (NetworkRecord(), network),
        "distilled": (_Record(), distilled),
        "exports": (ArtifactRecord(), lambda s: artifact(folder, s)),
    }
    for kind, (record, make) in makers.items():
        for seed in (1, 2):
            stage = Stage(kind=kind, inputs={"seed": seed}, record=record)
            yield stage, make(seed)


def identity(value: Any) -> object:
    """The parts of a result that have to be the same."""
    if isinstance(value, Program):
        return value.fingerprint()
    if isinstance(value, Distilled):
        return value.program.fingerprint(), value.epochs
    if isinstance(value, Artifact):
        return value.name, [file.read_bytes() for file in value.files]
    if isinstance(value, dict):
        return {name: (one.tobytes(), one.dtype) for name, one in value.items()}
    return value


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, list[tuple[Stage[Any], Any, object]]]:
    folder = tmp_path_factory.mktemp("made")
    store, found = Store(folder / "cache"), []
    for stage, value in entries(folder):
        kept(store, stage, lambda value=value: value, Silent())
        found.append((stage, value, identity(value)))
    return folder / "cache", found


@pytest.mark.parametrize(
    "seeds",
    [range(QUICK), pytest.param(range(QUICK, SEEDS), marks=pytest.mark.slow)],
    ids=["first", "others"],
)
def test_every_damage_is_noticed_and_never_other_data(
    made, tmp_path, seeds: range
) -> None:
    cache, stages = made
    noticed = 0
    for seed in seeds:
        root = tmp_path / "damaged"
        shutil.copytree(cache, root)
        what = damage(root, seed)
        remade: list[str] = []
        store = Store(root)
        for stage, value, right in stages:

            def make(value=value, kind=stage.kind, remade=remade) -> Any:
                remade.append(kind)
                return value

            entry = root / stage.kind / stage.name
            if stage.kind not in what and not remade and seed % 10:
                continue  # whole entries are read in every tenth try alone: it is quicker
            assert identity(kept(store, stage, make, Silent())) == right, what
            assert entry.is_dir()
        same = (cache / what.split(":")[0]).read_bytes() == (
            (root / what.split(":")[0]).read_bytes()
        )
        assert same, what  # made again as it was
        noticed += bool(remade)
        shutil.rmtree(root)
    assert noticed >= 0.9 * len(seeds)  # the rest swapped a file with its like
