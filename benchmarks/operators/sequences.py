"""Sequences, dtypes, spectra and what else networks call."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.operators.case import (
    EVEN,
    IMAGE,
    LINE,
    ROWS,
    Returned,
    add,
    of,
    whole,
)


def _sequences() -> None:
    deep = {"bidirectional": True, "num_layers": 2, "dropout": 0.1}
    options: dict[str, dict[str, Any]] = {
        "": {},
        "bidirectional": {"bidirectional": True},
        "two layers": {"num_layers": 2},
        "no bias": {"bias": False},
        "deep bidirectional": deep,
    }
    kinds: dict[str, Callable[..., nn.Module]]
    kinds = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}
    build: Callable[[], nn.Module]
    for kind, make in kinds.items():
        for name, given in options.items():
            build = partial(make, 12, 5, batch_first=True, **given)
            add(f"{kind} {name}".strip(), partial(_recurrent, build), ROWS)
    for name in ("", "bidirectional", "two layers"):
        build = partial(nn.LSTM, 12, 6, proj_size=4, batch_first=True, **options[name])
        add(f"LSTM projected {name}".strip(), partial(_recurrent, build), ROWS)
    relu = partial(nn.RNN, 12, 5, nonlinearity="relu", batch_first=True)
    add("RNN relu", partial(_recurrent, relu), ROWS)
    add(
        "LSTM states",
        lambda: Returned(
            nn.LSTM(12, 5, num_layers=2, batch_first=True), lambda o: (o[1][0], o[1][1])
        ),
        ROWS,
    )
    add(
        "GRU state",
        lambda: Returned(
            nn.GRU(12, 5, bidirectional=True, batch_first=True), lambda o: o[1]
        ),
        ROWS,
    )
    add("LSTM time first", lambda: _TimeFirst(), ROWS)
    add("LSTMCell", lambda: Returned(nn.LSTMCell(12, 5), lambda o: o), (12,))
    add("GRUCell", lambda: Returned(nn.GRUCell(12, 5), lambda o: o), (12,))
    add("RNNCell", lambda: Returned(nn.RNNCell(12, 5), lambda o: o), (12,))
    attention: dict[str, dict[str, Any]] = {
        "": {},
        "causal": {"is_causal": True},
        "scale": {"scale": 0.3},
    }
    for name, given in attention.items():
        of(
            f"attention {name}".strip(),
            lambda q, k, v, g=given: F.scaled_dot_product_attention(q, k, v, **g),
            (2, 6, 8),
            (2, 6, 8),
            (2, 6, 8),
        )
    mask = torch.ones(6, 6).tril().bool()
    of(
        "attention bool mask",
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, mask),
        (2, 6, 8),
        (2, 6, 8),
        (2, 6, 8),
    )
    of(
        "attention float mask",
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, mask.float()),
        (2, 6, 8),
        (2, 6, 8),
        (2, 6, 8),
    )
    of(
        "attention gqa",
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        (4, 6, 8),
        (2, 6, 8),
        (2, 6, 8),
    )
    of(
        "attention gqa one",
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        (4, 6, 8),
        (1, 6, 8),
        (1, 6, 8),
    )
    of(
        "attention cross",
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
        (2, 5, 8),
        (2, 7, 8),
        (2, 7, 4),
    )
    of(
        "attention masked row",
        lambda q, k, v: F.scaled_dot_product_attention(
            q, k, v, torch.arange(6)[:, None] > 2 * torch.ones(6, dtype=torch.long)
        ),
        (2, 6, 8),
        (2, 6, 8),
        (2, 6, 8),
    )
    add("MultiheadAttention", lambda: _Heads(), ROWS)
    add("MultiheadAttention weights", lambda: _Heads(weights=True), ROWS)
    add(
        "TransformerEncoderLayer",
        lambda: nn.TransformerEncoderLayer(12, 3, 20, batch_first=True),
        ROWS,
    )
    add(
        "TransformerEncoderLayer norm first",
        lambda: nn.TransformerEncoderLayer(
            12, 3, 20, batch_first=True, norm_first=True, activation="gelu"
        ),
        ROWS,
    )
    whole("embedding", nn.Embedding(11, 6), (7,), 11)
    whole("embedding padding", nn.Embedding(11, 6, padding_idx=0), (7,), 11)
    whole("embedding max_norm", nn.Embedding(11, 6), (4, 3), 11)
    for mode in ("sum", "mean", "max"):
        whole(f"embedding_bag {mode}", nn.EmbeddingBag(11, 6, mode=mode), (7,), 11)
    whole(
        "embedding sinusoidal",
        lambda i: torch.sin(i.float()[..., None] * torch.arange(4)),
        (7,),
        11,
    )


class _TimeFirst(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LSTM(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.layer(x.transpose(0, 1))[0].transpose(0, 1)
        return answer


class _Heads(nn.Module):
    def __init__(self, weights: bool = False) -> None:
        super().__init__()
        self.layer, self.weights = (
            nn.MultiheadAttention(12, 3, batch_first=True),
            weights,
        )

    def forward(self, x: Tensor) -> Any:
        answer, weights = self.layer(x, x, x, need_weights=self.weights)
        return (answer, weights) if self.weights else answer


def _recurrent(build: Callable[[], nn.Module]) -> nn.Module:
    return Returned(build(), lambda outputs: outputs[0])


def _dtypes() -> None:
    whole("int add", lambda i: i + 3, (7,), 50)
    whole("int mul", lambda i: i * i - 4, (7,), 50)
    whole("int floor_divide", lambda i: (i - 20) // 3, (7,), 50)
    whole("int remainder", lambda i: (i - 20) % 7, (7,), 50)
    whole("int fmod", lambda i: torch.fmod(i - 20, 7), (7,), 50)
    whole(
        "int div trunc", lambda i: torch.div(i - 20, 3, rounding_mode="trunc"), (7,), 50
    )
    whole("int div", lambda i: i / 4, (7,), 50)
    whole("int bitwise", lambda i: (i & 6) | (i ^ 5), (7,), 50)
    whole("int not", lambda i: ~i, (7,), 50)
    whole("int shift", lambda i: (i << 2) + (i >> 1), (7,), 50)
    whole("int abs neg", lambda i: (-i).abs() + i.sign(), (7,), 50)
    whole(
        "int max min",
        lambda i: torch.maximum(i, 50 - i) - i.amin(1, keepdim=True),
        (7,),
        50,
    )
    whole("int compare", lambda i: (i == 3) | (i > 20), (7,), 50)
    whole("int clamp", lambda i: i.clamp(5, 20), (7,), 50)
    whole("int cumsum", lambda i: i.cumsum(1), (7,), 50)
    whole("int where", lambda i: torch.where(i > 9, i, -i), (7,), 50)
    whole("int sum", lambda i: i.sum(1), (7,), 50)
    whole("int sort", lambda i: torch.sort(i, 1)[0], (7,), 50)
    whole("int topk", lambda i: torch.topk(i, 3, 1)[0], (7,), 50)
    whole("int one_hot", lambda i: F.one_hot(i, 50).float(), (7,), 50)
    whole("int pow", lambda i: i**2, (7,), 50)
    whole("int32", lambda i: (i.to(torch.int32) * 3).float(), (7,), 50)
    whole("int large", lambda i: (i * 3_000_000_000) % 1_000_003, (7,), 50)
    whole("int to bool", lambda i: i.bool(), (7,), 3)
    whole("padding mask", lambda i: (i != 0).float().mean(1, keepdim=True), (7,), 3)
    whole("int gather", lambda i: torch.linspace(0, 1, 50)[i], (7,), 50)
    of("to int", lambda x: (x * 5).to(torch.int64), ROWS)
    of("to int32", lambda x: (x * 5).int(), ROWS)
    of("to int8", lambda x: (x * 20).to(torch.int8), ROWS)
    of("to uint8", lambda x: (x.abs() * 20).to(torch.uint8), ROWS)
    of("to bool", lambda x: x.relu().bool(), ROWS)
    of("to half", lambda x: x.half().float(), ROWS)
    of("to bfloat16", lambda x: (x.bfloat16() * 2).float(), ROWS)
    of("to float64", lambda x: (x.double() * 1.1).float(), ROWS)
    of("float64 out", lambda x: x.double() * 1.1, ROWS)
    of("type_as", lambda x: (x > 0).type_as(x), ROWS)


def _spectra() -> None:
    window = torch.hann_window(16)
    of(
        "stft",
        lambda x: torch.stft(x, 16, 8, window=window, return_complex=True).abs(),
        (64,),
    )
    of(
        "stft not centered",
        lambda x: torch.view_as_real(
            torch.stft(x, 16, 8, window=window, center=False, return_complex=True)
        ),
        (64,),
    )
    of(
        "stft normalized",
        lambda x: torch.view_as_real(
            torch.stft(
                x,
                16,
                4,
                win_length=12,
                window=torch.hann_window(12),
                normalized=True,
                return_complex=True,
            )
        ),
        (64,),
    )
    of(
        "stft two sided",
        lambda x: torch.view_as_real(
            torch.stft(x, 16, 8, window=window, onesided=False, return_complex=True)
        ),
        (64,),
    )
    of(
        "istft",
        lambda x: torch.istft(
            torch.stft(x, 16, 4, window=window, return_complex=True),
            16,
            4,
            window=window,
        ),
        (64,),
    )
    of("rfft", lambda x: torch.view_as_real(torch.fft.rfft(x)), ROWS)
    of("rfft odd", lambda x: torch.fft.rfft(x[..., :11]).abs(), ROWS)
    of("rfft n", lambda x: torch.fft.rfft(x, n=16, norm="ortho").abs(), ROWS)
    of("rfft dim 1", lambda x: torch.view_as_real(torch.fft.rfft(x, dim=1)), ROWS)
    of("fft", lambda x: torch.view_as_real(torch.fft.fft(x)), ROWS)
    of("fft real part", lambda x: torch.fft.fft(x).real, ROWS)
    of("fft2 mixing", lambda x: torch.fft.fft2(x, dim=(-1, -2)).real, ROWS)
    of("ifft", lambda x: torch.fft.ifft(torch.fft.fft(x)).real, ROWS)
    of("rfft irfft", lambda x: torch.fft.irfft(torch.fft.rfft(x) * 2, n=12), ROWS)
    of(
        "rfft2 irfft2",
        lambda x: torch.fft.irfft2(torch.fft.rfft2(x) * 0.5, s=(9, 11)),
        IMAGE,
    )
    of("fftshift", lambda x: torch.fft.fftshift(x, dim=(1, 2)), ROWS)
    of(
        "complex multiply",
        lambda x, y: torch.view_as_real(torch.complex(x, y) * torch.complex(y, x)),
        ROWS,
        ROWS,
    )
    of(
        "complex abs angle",
        lambda x, y: (torch.complex(x, y).abs(), torch.complex(x, y).angle()),
        ROWS,
        ROWS,
    )
    of("polar", lambda x, y: torch.view_as_real(torch.polar(x.abs(), y)), ROWS, ROWS)
    of(
        "view_as_complex",
        lambda x: torch.view_as_real(
            torch.view_as_complex(x) * torch.view_as_complex(x.flip(1)).conj()
        ),
        (7, 2),
    )
    of("angle real", lambda x: torch.angle(x), ROWS)


def _other() -> None:
    add("dropout", lambda: nn.Dropout(0.5), ROWS)
    add("alpha dropout", lambda: nn.AlphaDropout(0.5), ROWS)
    add("dropout2d", lambda: nn.Dropout2d(0.5), IMAGE)
    of("l1_loss", lambda x, y: F.l1_loss(x, y, reduction="none"), ROWS, ROWS)
    of("smooth_l1", lambda x, y: F.smooth_l1_loss(x, y, reduction="none"), ROWS, ROWS)
    of("huber", lambda x, y: F.huber_loss(x, y, reduction="none"), ROWS, ROWS)
    of(
        "kl_div",
        lambda x, y: F.kl_div(x.log_softmax(-1), y.softmax(-1), reduction="none"),
        ROWS,
        ROWS,
    )
    of(
        "bce",
        lambda x, y: F.binary_cross_entropy_with_logits(
            x, y.sigmoid(), reduction="none"
        ),
        ROWS,
        ROWS,
    )
    of("renorm", lambda x: torch.renorm(x, 2, 1, 1.0), ROWS)
    of(
        "histc like",
        lambda x: F.one_hot(((x.tanh() + 1) * 2).long().clamp(0, 3), 4).sum(1),
        ROWS,
    )
    of("nonzero count", lambda x: (x > 0).sum((1, 2)), ROWS)
    of(
        "cosine positions",
        lambda x: (
            x
            * torch.cos(
                torch.outer(torch.arange(7), 1 / 100 ** (torch.arange(12) / 12))
            )
        ),
        ROWS,
    )
    of(
        "grn",
        lambda x: (
            x
            * (
                x.norm(p=2, dim=(2, 3), keepdim=True)
                / (x.norm(p=2, dim=(2, 3), keepdim=True).mean(1, keepdim=True) + 1e-6)
            )
        ),
        IMAGE,
    )
    of(
        "blur pool",
        lambda x: F.conv2d(
            F.pad(x, (1, 2, 1, 2), "reflect"),
            torch.ones(6, 1, 4, 4) / 16,
            stride=2,
            groups=6,
        ),
        IMAGE,
    )
    of(
        "space to depth",
        lambda x: torch.cat(
            [
                x[..., ::2, ::2],
                x[..., 1::2, ::2],
                x[..., ::2, 1::2],
                x[..., 1::2, 1::2],
            ],
            1,
        ),
        EVEN,
    )
    of(
        "soft argmax",
        lambda x: (x.flatten(2).softmax(-1) * torch.arange(99.0)).sum(-1),
        IMAGE,
    )
    of(
        "dfl",
        lambda x: F.conv2d(
            x.reshape(-1, 2, 3, 99).transpose(2, 1).softmax(1),
            torch.arange(3.0).view(1, 3, 1, 1),
        ).view(-1, 2, 99),
        IMAGE,
    )
    of("line glu", lambda x: F.glu(x, 1), LINE)


_sequences()
_dtypes()
_spectra()
_other()
