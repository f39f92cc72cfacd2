"""Networks after what people report: sequences, speech and text."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.zoo.parts import Net, conv_block, registry

ENTRIES, case = registry()


@case(((20, 40), "float32"))
def glu_conv1d():
    return nn.Sequential(
        nn.Conv1d(20, 32, 5, padding=2),
        nn.GLU(1),
        nn.Conv1d(16, 48, 3, padding=1),
        nn.GLU(1),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(24, 5),
    )


@case(((8, 24), "float32"))
def swiglu():
    class B(nn.Module):
        def __init__(self):
            super().__init__()
            self.n = nn.RMSNorm(24)
            self.w12 = nn.Linear(24, 96)
            self.w3 = nn.Linear(48, 24)

        def forward(self, x):
            a, b = self.w12(self.n(x)).chunk(2, -1)
            return x + self.w3(F.silu(a) * b)

    return nn.Sequential(
        B(), B(), Net(lambda self, x: self.h(x.mean(1)), h=nn.Linear(24, 4))
    )


@case(((24, 10), "float32"))
def where_mask():
    class M(nn.Module):
        def __init__(self):
            super().__init__()
            self.e = nn.Linear(10, 32)
            self.q = nn.Linear(32, 32)
            self.k = nn.Linear(32, 32)
            self.v = nn.Linear(32, 32)
            self.h = nn.Linear(32, 3)
            self.register_buffer("tri", torch.ones(24, 24, dtype=torch.bool).tril())

        def forward(self, x):
            x = F.gelu(self.e(x))
            a = self.q(x) @ self.k(x).transpose(1, 2) / 32**0.5
            a = torch.where(self.tri, a, torch.tensor(float("-inf"))).softmax(-1)
            return self.h((x + a @ self.v(x)).mean(1))

    return M()


@case(((1600,), "float32"))
def stft_front():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("win", torch.hann_window(128))
            self.register_buffer("mel", torch.rand(65, 20))
            self.n = nn.Sequential(
                conv_block(1, 16, s=2),
                conv_block(16, 24, s=2),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(24, 5),
            )

        def forward(self, x):
            z = torch.stft(x, 128, 64, window=self.win, return_complex=True).abs() ** 2
            m = torch.log(z.transpose(1, 2) @ self.mel + 1e-6)
            return self.n(m.unsqueeze(1))

    return A()


@case(((9, 12), "float32"))
def lstm_proj():
    return Net(
        lambda self, x: self.h(self.r(x)[0][:, -1]),
        r=nn.LSTM(12, 32, proj_size=16, batch_first=True),
        h=nn.Linear(16, 4),
    )


@case(((9, 12), "float32"))
def bilstm2():
    return Net(
        lambda self, x: self.h(
            torch.cat([self.r(x)[1][0][-2], self.r(x)[1][0][-1]], 1)
        ),
        r=nn.LSTM(
            12, 24, num_layers=2, bidirectional=True, batch_first=True, dropout=0.2
        ),
        h=nn.Linear(48, 4),
    )


@case(((9, 12), "float32"))
def lstm_h0_param():
    return Net(
        lambda self, x: self.h(
            self.r(
                x,
                (
                    self.h0.expand(-1, x.shape[0], -1).contiguous(),
                    self.c0.expand(-1, x.shape[0], -1).contiguous(),
                ),
            )[0].mean(1)
        ),
        r=nn.LSTM(12, 24, batch_first=True),
        h0=nn.Parameter(torch.randn(1, 1, 24)),
        c0=nn.Parameter(torch.randn(1, 1, 24)),
        h=nn.Linear(24, 4),
    )


@case(((9, 12), "float32"))
def packed_lstm():
    class C(nn.Module):
        def __init__(self):
            super().__init__()
            self.r = nn.LSTM(12, 24, batch_first=True)
            self.h = nn.Linear(24, 4)

        def forward(self, x):
            n = (x.abs().sum(-1) > 0).sum(1).clamp(min=1).cpu()
            p = nn.utils.rnn.pack_padded_sequence(
                x, n, batch_first=True, enforce_sorted=False
            )
            return self.h(self.r(p)[1][0][-1])

    return C()


@case(((16,), "int64"))
def tied_lm():
    class T(nn.Module):
        def __init__(self):
            super().__init__()
            self.e = nn.Embedding(50, 32)
            self.p = nn.Parameter(torch.randn(1, 16, 32) * 0.02)
            self.t = nn.TransformerEncoderLayer(
                32, 4, 64, batch_first=True, norm_first=True
            )
            self.o = nn.Linear(32, 50, bias=False)
            self.o.weight = self.e.weight

        def forward(self, i):
            m = torch.triu(torch.full((16, 16), float("-inf")), 1)
            return self.o(self.t(self.e(i) + self.p, src_mask=m))

    return T()


@case(((16, 24), "float32"))
def mha_module():
    class T(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.MultiheadAttention(24, 4, batch_first=True)
            self.n = nn.LayerNorm(24)
            self.h = nn.Linear(24, 4)

        def forward(self, x):
            return self.h(self.n(x + self.a(x, x, x, need_weights=False)[0]).mean(1))

    return T()


@case(((16, 24), "float32"))
def encoder_fastpath():
    return Net(
        lambda self, x: self.h(self.t(x).mean(1)),
        t=nn.TransformerEncoder(
            nn.TransformerEncoderLayer(24, 4, 48, batch_first=True), 2
        ),
        h=nn.Linear(24, 4),
    )


@case(((16, 32), "float32"))
def rope_complex():
    class R(nn.Module):
        def __init__(self):
            super().__init__()
            self.q = nn.Linear(32, 32)
            self.k = nn.Linear(32, 32)
            self.v = nn.Linear(32, 32)
            self.o = nn.Linear(32, 4)
            f = torch.outer(
                torch.arange(16).float(), 1 / 10000 ** (torch.arange(0, 8, 2) / 8)
            )
            self.register_buffer("fc", torch.polar(torch.ones_like(f), f))

        def rot(self, x):
            z = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
            return torch.view_as_real(z * self.fc[None, :, None]).flatten(3).type_as(x)

        def forward(self, x):
            B, T, C = x.shape
            q, k, v = (m(x).view(B, T, 4, 8) for m in (self.q, self.k, self.v))
            q, k = self.rot(q), self.rot(k)
            y = F.scaled_dot_product_attention(
                *(t.transpose(1, 2) for t in (q, k, v)), is_causal=True
            )
            return self.o(y.transpose(1, 2).reshape(B, T, C))

    return R()


@case(((16, 12), "float32"))
def batch_second_out():
    """The output has its batch in the second place, as nn.LSTM gives it by default."""
    return Net(
        lambda self, x: self.h(self.r(x.transpose(0, 1))[0]),
        r=nn.LSTM(12, 24),
        h=nn.Linear(24, 4),
    )


@case(((12,), "int64"))
def padding_mask_tokens():
    class T(nn.Module):
        def __init__(self):
            super().__init__()
            self.e = nn.Embedding(30, 24, padding_idx=0)
            self.t = nn.TransformerEncoder(
                nn.TransformerEncoderLayer(24, 4, 48, batch_first=True), 1
            )
            self.h = nn.Linear(24, 3)

        def forward(self, i):
            pad = i == 0
            x = self.t(self.e(i), src_key_padding_mask=pad)
            m = (~pad).unsqueeze(-1).float()
            return self.h((x * m).sum(1) / m.sum(1).clamp(min=1))

    return T()
