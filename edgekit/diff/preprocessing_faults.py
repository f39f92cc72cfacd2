"""Known faults of preprocessing, planted on purpose, to see which one explains a difference."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgekit.data.preprocess import preprocess
from edgekit.types import Preprocess
from edgekit.types.diff import EXACT, Line

Array = NDArray[np.float32]
Raw = NDArray[Any]
Source = Callable[[str], Raw | None]
"""The raw samples as another resize kernel leaves them; `None` where nothing is resized."""

Judge = Callable[[Sequence[Array]], Sequence[float | None]]
"""The error of each of several preparations; `None` where one does not fit."""

EXPLAINED = 0.25
"""Fraction of the difference that may remain where a fault counts as its explanation."""
_IMAGE = 3
_RGB = 3
_KERNELS = ("nearest", "bilinear", "bicubic")
_QUALITIES = (95, 85, 75, 50)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Preprocessing of samples, in the parts that applications get wrong."""

    spec: Preprocess
    swapped: bool = False
    layout: str = "NCHW"
    kernel: str | None = None
    quality: int | None = None


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault of preprocessing that can be planted into a recipe."""

    kind: str
    name: str
    plant: Callable[[Recipe], Recipe]


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """Samples as some faults would prepare them."""

    faults: tuple[str, ...]
    prepared: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """Raw samples (n, *shape), how they should be prepared, and other ways to get them."""

    raw: Raw
    spec: Preprocess
    resized: Source = lambda kernel: None

    def right(self) -> Array:
        """The samples with the expected preprocessing (n, *input shape)."""
        return preprocess(self.raw, self.spec)

    def prepared(self, recipe: Recipe) -> Array | None:
        """As `recipe` would; `None` where it does not apply to these samples."""
        raw: Raw | None = self.raw
        if recipe.kernel is not None:
            raw = self.resized(recipe.kernel)
        if raw is None:
            return None
        if recipe.quality is not None:
            raw = recoded(self, raw, recipe.quality)
        values = preprocess(raw[:, ::-1] if recipe.swapped else raw, recipe.spec)
        turned = np.ascontiguousarray(np.moveaxis(values, 1, -1))
        if recipe.layout == "NHWC":
            return turned
        return turned.reshape(values.shape) if recipe.layout == "misread" else values


def explain(
    scene: Scene, judge: Judge, before: float | None
) -> tuple[Candidate | None, float | None]:
    """The fault that leaves the least of a difference, where it explains it, and the remaining
    difference.

    `before` is what right preparation leaves, `None` where it does not even fit. Two faults are
    tried together where none alone explains it.
    """
    limit = EXACT if before is None else max(EXACT, EXPLAINED * before)
    known = list(_known(scene))
    left: float | None = None
    for fault_sets in (
        [(one,) for one in known],
        [(a, b) for a, b in itertools.combinations(known, 2) if a.kind != b.kind],
    ):
        made = list(_candidates(scene, fault_sets))
        errors = judge([one.prepared for one in made])
        ranked = sorted(
            ((e, n) for n, e in enumerate(errors) if e is not None and np.isfinite(e))
        )
        if ranked:
            left, best = ranked[0]
            if left <= limit:
                return made[best], left
    return None, left


def alternatives(scene: Scene) -> list[Candidate]:
    """The samples with one fault each that changes values as such: layout, channels, range,
    mean and std."""
    known = [fault for fault in _known(scene) if fault.kind not in ("resize", "codec")]
    return [*_candidates(scene, [(fault,) for fault in known])]


def _candidates(
    scene: Scene, fault_sets: Sequence[tuple[Fault, ...]]
) -> Iterator[Candidate]:
    for faults in fault_sets:
        recipe = Recipe(spec=scene.spec)
        for fault in faults:
            recipe = fault.plant(recipe)
        prepared = scene.prepared(recipe)
        if prepared is not None:
            names = tuple(fault.name for fault in faults)
            yield Candidate(faults=names, prepared=prepared)


def statistics(application_input: Array, raw: Raw) -> tuple[Line, ...]:
    """The apparent transformation of an application: a line fitted to each channel."""
    lines = []
    for channel in range(raw.shape[1]):
        x = raw[:, channel].astype(np.float64).ravel()
        y = application_input[:, channel].astype(np.float64).ravel()
        slope, offset = np.polyfit(x, y, 1) if x.std() else (0.0, float(y.mean()))
        lines.append((float(slope), float(offset)))
    return tuple(lines)


def recoded(scene: Scene, raw: Raw, quality: int) -> Raw:
    """Images (n, channels, height, width) of bytes through JPEG and back."""
    result = np.empty_like(raw)
    turn = -1 if scene.spec.color == "bgr" else 1
    for number, image in enumerate(raw[:, ::turn].astype(np.uint8)):
        turned = np.moveaxis(image, 0, -1)
        picture = Image.fromarray(turned[..., 0] if len(image) == 1 else turned)
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=quality)
        with Image.open(stream) as back:
            decoded = np.asarray(back).reshape(turned.shape)
        result[number] = np.moveaxis(decoded, -1, 0)[::turn]
    return result


def _of_bytes(raw: Raw) -> bool:
    return bool(((raw >= 0) & (raw <= 255) & (raw == np.rint(raw))).all())


def _known(scene: Scene) -> Iterator[Fault]:
    spec, shape = scene.spec, scene.raw.shape[1:]
    image = len(shape) == _IMAGE
    if image and shape[0] > 1:
        yield Fault(
            kind="layout",
            name="NHWC for NCHW",
            plant=lambda r: replace(r, layout="NHWC"),
        )
        yield Fault(
            kind="layout",
            name="NHWC data read as NCHW",
            plant=lambda r: replace(r, layout="misread"),
        )
    if image and shape[0] == _RGB:
        right = "BGR" if spec.color == "bgr" else "RGB"
        wrong = "RGB" if right == "BGR" else "BGR"
        yield Fault(
            kind="channels",
            name=f"{wrong} for {right}",
            plant=lambda r: replace(r, swapped=True),
        )
    yield from _ranges(spec)
    yield from _normalizations(spec)
    if image and shape[0] in (1, _RGB) and _of_bytes(scene.raw):
        yield from _decoders(scene)


def _ranges(spec: Preprocess) -> Iterator[Fault]:
    for scale, name in ((1.0, "0-255"), (255.0, "0-1")):
        if scale != spec.scale:
            right = {1.0: "0-255", 255.0: "0-1"}.get(
                spec.scale, f"value / {spec.scale:g}"
            )
            yield Fault(kind="range", name=f"{name} for {right}", plant=_scaled(scale))
    signed = Preprocess(scale=127.5, mean=(1.0,), std=(1.0,), color=spec.color)
    if (spec.scale, spec.mean, spec.std) != (127.5, (1.0,), (1.0,)):
        yield Fault(
            kind="range",
            name="-1 to 1 for the project's mean and std",
            plant=lambda r: replace(r, spec=signed),
        )


def _scaled(scale: float) -> Callable[[Recipe], Recipe]:
    return lambda recipe: replace(recipe, spec=replace(recipe.spec, scale=scale))


def _normalizations(spec: Preprocess) -> Iterator[Fault]:
    mean, std = any(spec.mean), any(one != 1 for one in spec.std)
    if mean and std:
        yield _without("missing mean and std", mean=(0.0,), std=(1.0,))
    if mean:
        yield _without("missing mean", mean=(0.0,))
    if std:
        yield _without("missing std", std=(1.0,))
    imagenet = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    if len(spec.mean) == _RGB and (spec.mean, spec.std) != imagenet:
        numbers = f"mean {[*imagenet[0]]} and std {[*imagenet[1]]}"
        yield _without(f"ImageNet's {numbers}", mean=imagenet[0], std=imagenet[1])


def _without(name: str, **changes: tuple[float, ...]) -> Fault:
    return Fault(
        kind="mean and std",
        name=name,
        plant=lambda r: replace(r, spec=replace(r.spec, **changes)),  # type: ignore[arg-type]
    )


def _decoders(scene: Scene) -> Iterator[Fault]:
    for kernel in _KERNELS:
        if kernel != scene.spec.resize and scene.resized(kernel) is not None:
            yield Fault(
                kind="resize",
                name=f"resize {kernel} for {scene.spec.resize}",
                plant=_kernel(kernel),
            )
    for quality in _QUALITIES:
        yield Fault(
            kind="codec", name=f"re-encoded as JPEG {quality}", plant=_coded(quality)
        )


def _kernel(kernel: str) -> Callable[[Recipe], Recipe]:
    return lambda recipe: replace(recipe, kernel=kernel)


def _coded(quality: int) -> Callable[[Recipe], Recipe]:
    return lambda recipe: replace(recipe, quality=quality)


def relative_error(got: Sequence[Any] | Array, want: Array) -> float | None:
    """Root mean square of the difference over that of the larger; `None` for another shape.

    Over the larger, so that values far too large are as wrong as values far too small.
    """
    given = np.asarray(got, np.float32)
    if given.shape != want.shape:
        return None
    mine, theirs = given.astype(np.float64), want.astype(np.float64)
    signal = max(float(np.square(mine).mean()), float(np.square(theirs).mean()))
    return float(np.sqrt(np.square(mine - theirs).mean() / max(signal, 1e-30)))
