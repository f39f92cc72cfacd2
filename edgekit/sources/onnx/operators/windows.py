"""Windows that slide over positions: strides, dilations, and padding in all of ONNX's forms."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from edgekit.sources.onnx.call import Call


@dataclass(frozen=True, kw_only=True)
class Window:
    """By dimension: kernel, stride, dilation, and padding before and after."""

    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    before: list[int]
    after: list[int]

    @property
    def around(self) -> list[int]:
        """The padding as `torch.nn.functional.pad` takes it."""
        places = reversed(range(len(self.before)))
        return [n for p in places for n in (self.before[p], self.after[p])]

    @staticmethod
    def of(
        call: Call, x: Tensor, kernel: list[int], *, transposed: bool = False
    ) -> Window:
        """The window that a node describes, over `x` (batch, channels, ...)."""
        rank = len(kernel)
        strides = list(call.get("strides", [1] * rank))
        dilations = list(call.get("dilations", [1] * rank))
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        sizes = list(x.shape[2:])
        if transposed:
            before, after = _transposed(call, sizes, strides, reach)
        else:
            before, after = _padding(call, sizes, strides, reach)
        return Window(
            kernel=kernel,
            strides=strides,
            dilations=dilations,
            before=before,
            after=after,
        )


def _padding(
    call: Call, sizes: list[int], strides: list[int], reach: list[int]
) -> tuple[list[int], list[int]]:
    rank = len(reach)
    mode = call.get("auto_pad", "NOTSET")
    if mode == "VALID":
        return [0] * rank, [0] * rank
    if mode == "NOTSET":
        pads = list(call.get("pads", [0] * 2 * rank))
        return pads[:rank], pads[rank:]
    totals = [
        max((-(-size // stride) - 1) * stride + r - size, 0)
        for size, stride, r in zip(sizes, strides, reach, strict=True)
    ]
    return _halved(totals, more_after=mode == "SAME_UPPER")


def _halved(totals: list[int], *, more_after: bool) -> tuple[list[int], list[int]]:
    small, large = [t // 2 for t in totals], [t - t // 2 for t in totals]
    return (small, large) if more_after else (large, small)


def _transposed(
    call: Call, sizes: list[int], strides: list[int], reach: list[int]
) -> tuple[list[int], list[int]]:
    rank = len(reach)
    mode, requested = call.get("auto_pad", "NOTSET"), call.get("output_shape")
    extra = list(call.get("output_padding", [0] * rank))
    if requested is None and mode in ("NOTSET", "VALID"):
        return _padding(call, sizes, strides, reach)
    full = [
        stride * (size - 1) + e + r
        for stride, size, e, r in zip(strides, sizes, extra, reach, strict=True)
    ]
    goal = list(requested[-rank:]) if requested is not None else [
        size * stride for size, stride in zip(sizes, strides, strict=True)
    ]  # fmt: skip
    totals = [f - g for f, g in zip(full, goal, strict=True)]
    return _halved(totals, more_after=mode == "SAME_UPPER")
