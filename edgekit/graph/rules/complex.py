"""Complex numbers and Fourier transforms: a transformed dimension stays whole."""

from __future__ import annotations

from edgekit.graph.labels import Axes
from edgekit.graph.propagate import Call, Rule, Walk
from edgekit.graph.rules.elementwise import elementwise

ONE = "fft_fft fft_ifft fft_rfft fft_irfft fft_hfft fft_ihfft"
MULTIPLE = (
    "fft_fft2 fft_ifft2 fft_rfft2 fft_irfft2 fft_hfft2 fft_ihfft2 "
    "fft_fftn fft_ifftn fft_rfftn fft_irfftn fft_fftshift fft_ifftshift "
    "_fft_r2c _fft_c2r _fft_c2c"
)
PARTS = (
    "complex polar real imag conj _conj _conj_physical resolve_conj resolve_neg angle"
)


def transformed(walk: Walk, call: Call) -> Axes:
    """Every element of a transformed dimension takes part in every other."""
    axes = walk.of(call["self"])
    for dim in _dims(call, len(axes)):
        why = f"{call.name} over this dimension"
        walk.freeze(call, axes[dim], why, barrier=True)
        axes[dim] = None
    return axes


def _dims(call: Call, rank: int) -> list[int]:
    dims, sizes = call.get("dim"), call.get("s")
    if isinstance(dims, int):
        return [dims % rank]
    if dims is None and sizes is not None:
        return list(range(rank - len(sizes), rank))
    return list(range(rank)) if dims is None else [dim % rank for dim in dims]


def as_complex(walk: Walk, call: Call) -> Axes:
    """`view_as_complex`: the last dimension, real and imaginary, stays whole."""
    *axes, parts = walk.of(call["self"])
    walk.freeze(call, parts, "holds real and imaginary parts")
    return axes


def as_real(walk: Walk, call: Call) -> Axes:
    """`view_as_real`: adds a dimension without units."""
    return [*walk.of(call["self"]), None]


RULES: dict[str, Rule] = {
    **dict.fromkeys((*ONE.split(), *MULTIPLE.split()), transformed),
    **dict.fromkeys(PARTS.split(), elementwise),
    "view_as_complex": as_complex,
    "view_as_real": as_real,
}
