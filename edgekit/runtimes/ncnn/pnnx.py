"""pnnx, ncnn's converter of TorchScript: a program that is run in a folder of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import ArtifactError

_TYPES = {"float32": "f32", "int64": "i64", "int32": "i32", "uint8": "u8", "bool": "u8"}
_GIVEN = re.compile(
    r'ex\.input\("(\w+)", ncnn\.Mat\(\w+\.numpy\(\)(?:, batch_index=(\d+))?\)'
)
_NO_BATCH = 233
_FOREIGN = re.compile(r"^(\w+\.\S+) ", re.MULTILINE)
"""Operators of PyTorch that pnnx leaves as they are: ncnn's layers have no point in their names."""
_ASKED = re.compile(r'ex\.extract\("(\w+)"\)')


@dataclass(frozen=True, kw_only=True)
class Blobs:
    """The names of a converted network's ends, in order."""

    inputs: tuple[str, ...]
    batches: tuple[int | None, ...]
    """The axis of each input that ncnn's matrix lacks."""
    outputs: tuple[str, ...]


def convert(
    script: Path,
    shapes: Sequence[tuple[tuple[int, ...], str]],
    path: Path,
    *,
    fp16: bool,
) -> Blobs:
    """Write the TorchScript file `script` as `path` and its `.bin`.

    `shapes` has the shape and type of each input. Raises `ArtifactError` with pnnx's last line, or
    with the operators that ncnn has no layer for.
    """
    import pnnx

    given = ",".join(
        f"[{','.join(map(str, shape))}]{_TYPES.get(kind, kind)}"
        for shape, kind in shapes
    )
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        place = Path(name)
        shutil.copyfile(script, place / "net.pt")
        done = subprocess.run(
            [pnnx.EXEC_PATH, "net.pt", f"inputshape={given}", f"fp16={int(fp16)}"],
            cwd=place,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        made = [place / f"net.ncnn{suffix}" for suffix in (".param", ".bin")]
        if done.returncode != 0 or not all(file.is_file() for file in made):
            lines = [one for one in (done.stderr + done.stdout).splitlines() if one]
            raise ArtifactError(lines[-1] if lines else f"code {done.returncode}")
        foreign = dict.fromkeys(_FOREIGN.findall(made[0].read_text("utf-8")))
        if foreign:
            raise ArtifactError(f"ncnn has no layer for {', '.join(foreign)}")
        for file in made:
            file.replace(path.with_suffix(file.suffix))
        return _blobs((place / "net_ncnn.py").read_text("utf-8"))


def _blobs(usage: str) -> Blobs:
    """Of the example of use that pnnx writes beside its files."""
    given = _GIVEN.findall(usage)
    return Blobs(
        inputs=tuple(name for name, _ in given),
        batches=tuple(
            int(axis) if axis and int(axis) != _NO_BATCH else None for _, axis in given
        ),
        outputs=tuple(_ASKED.findall(usage)),
    )
