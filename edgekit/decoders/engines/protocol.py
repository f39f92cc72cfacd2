"""A runtime for generation: it writes its folder, generates from it, and scores text with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from edgekit.decoders.decoder import Decoder
from edgekit.errors import RuntimeMissing

_GROUP_SIZE = 64


@dataclass(frozen=True, kw_only=True)
class WeightFormat:
    """The storage of linear layers' weights."""

    bits: int = 32
    """32 for float32, 16 for float16; 8 or 4."""
    group_size: int | None = None
    """Of four bits: inputs that have a scale in common; `None` otherwise."""

    @property
    def label(self) -> str:
        """A name for files and tables: "fp32", "int8", "int4-g64"."""
        if self.bits >= 16:
            return f"fp{self.bits}"
        group = f"-g{self.group_size}" if self.group_size else ""
        return f"int{self.bits}{group}"


@dataclass(frozen=True, kw_only=True)
class Generated:
    """Tokens of one generation."""

    tokens: tuple[int, ...]
    seconds: tuple[float, ...]
    """When each came, from the start of the generation."""

    @property
    def ttft_ms(self) -> float:
        """Time to the first token, in milliseconds."""
        return self.seconds[0] * 1000

    @property
    def tokens_per_s(self) -> float:
        """Tokens a second behind the first."""
        return (len(self.seconds) - 1) / (self.seconds[-1] - self.seconds[0])


class Session(Protocol):
    """A loaded folder of a runtime."""

    def generate(self, prompt: Sequence[int], count: int) -> Generated:
        """Greedily generate `count` tokens; the end of a text does not end it."""

    def nll(self, rows: Sequence[Sequence[int]]) -> float:
        """The mean negative log-likelihood of each next token of the rows, in nats."""


class Engine(Protocol):
    """A runtime for generation."""

    @property
    def name(self) -> str:
        """As it is typed."""

    @property
    def libraries(self) -> Mapping[str, str]:
        """The modules it needs, and the packages they are of."""

    @property
    def extra(self) -> str:
        """EdgeKit's extra that installs them."""

    @property
    def bits(self) -> tuple[int, ...]:
        """Of the weight formats that it writes."""

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """Of four-bit weights, ascending."""

    def export(self, decoder: Decoder, out: Path, weights: WeightFormat) -> None:
        """Write the runtime's files into the folder `out`, which is there and empty.

        Raises `ArtifactError` for decoders that the runtime cannot express.
        """

    def open(self, folder: Path, *, threads: int, exact: bool) -> Session:
        """Load a folder; `exact` computes in float32, else as the runtime does by itself."""


def four_bits(engine: Engine) -> WeightFormat:
    """Four bits in the group size that is taken where none is chosen by perplexity."""
    sizes = engine.group_sizes
    size = _GROUP_SIZE if _GROUP_SIZE in sizes else sizes[0]
    return WeightFormat(bits=4, group_size=size)


def check_installed(engine: Engine) -> None:
    """Raise `RuntimeMissing` for a runtime without its libraries."""
    missing = [p for module, p in engine.libraries.items() if find_spec(module) is None]
    if missing:
        raise RuntimeMissing(
            f"{engine.name} needs {missing[0]}: pip install 'edgekit[{engine.extra}]'."
        )
