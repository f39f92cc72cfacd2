"""Networks after what people report: pictures, with layers shared, parts concatenated, windows."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.zoo.parts import IMG, Net, conv_block, registry

ENTRIES, case = registry()


class Swin(nn.Module):
    def __init__(self, c=32, w=4, h=4, shift=2, hw=8):
        super().__init__()
        self.c, self.w, self.nh, self.shift, self.hw = c, w, h, shift, hw
        self.n1 = nn.LayerNorm(c)
        self.qkv = nn.Linear(c, 3 * c)
        self.proj = nn.Linear(c, c)
        self.n2 = nn.LayerNorm(c)
        self.mlp = nn.Sequential(nn.Linear(c, 4 * c), nn.GELU(), nn.Linear(4 * c, c))
        self.table = nn.Parameter(torch.randn((2 * w - 1) ** 2, h) * 0.02)
        co = torch.stack(
            torch.meshgrid(torch.arange(w), torch.arange(w), indexing="ij")
        ).flatten(1)
        r = (co[:, :, None] - co[:, None]).permute(1, 2, 0) + w - 1
        self.register_buffer("idx", r[..., 0] * (2 * w - 1) + r[..., 1])
        m = torch.zeros(1, hw, hw, 1)
        k = 0
        for a in (slice(0, -w), slice(-w, -shift), slice(-shift, None)):
            for b in (slice(0, -w), slice(-w, -shift), slice(-shift, None)):
                m[:, a, b] = k
                k += 1
        m = self.part(m).squeeze(-1)
        self.register_buffer(
            "mask", (m[:, None] - m[:, :, None]).ne(0).float() * -100.0
        )

    def part(self, x):
        B, H, W, C = x.shape
        return (
            x.view(B, H // self.w, self.w, W // self.w, self.w, C)
            .permute(0, 1, 3, 2, 4, 5)
            .reshape(-1, self.w * self.w, C)
        )

    def forward(self, x):
        B, H, W, C = x.shape
        y = torch.roll(self.n1(x), (-self.shift, -self.shift), (1, 2))
        y = self.part(y)
        N = self.w * self.w
        q, k, v = (
            self.qkv(y)
            .reshape(-1, N, 3, self.nh, C // self.nh)
            .permute(2, 0, 3, 1, 4)
            .unbind(0)
        )
        a = (q * (C // self.nh) ** -0.5) @ k.transpose(-2, -1) + self.table[
            self.idx.view(-1)
        ].view(N, N, -1).permute(2, 0, 1)[None]
        nW = self.mask.shape[0]
        a = (
            (a.view(-1, nW, self.nh, N, N) + self.mask[None, :, None])
            .view(-1, self.nh, N, N)
            .softmax(-1)
        )
        y = self.proj((a @ v).transpose(1, 2).reshape(-1, N, C))
        y = (
            y.view(B, H // self.w, W // self.w, self.w, self.w, C)
            .permute(0, 1, 3, 2, 4, 5)
            .reshape(B, H, W, C)
        )
        x = x + torch.roll(y, (self.shift, self.shift), (1, 2))
        return x + self.mlp(self.n2(x))


@case(IMG)
def swin_window():
    return Net(
        lambda self, x: self.h(self.b(self.p(x).permute(0, 2, 3, 1)).mean((1, 2))),
        p=nn.Conv2d(3, 32, 2, 2),
        b=nn.Sequential(Swin(), Swin()),
        h=nn.Linear(32, 5),
    )


@case(IMG)
def shared_twice():
    class S(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = conv_block(3, 16)
            self.b = conv_block(16, 16)
            self.c = nn.Conv2d(16, 16, 1)
            self.h = nn.Linear(16, 5)

        def forward(self, x):
            x = self.a(x)
            for _ in range(3):
                x = self.b(x)
            return self.h((self.c(x) + self.c(F.max_pool2d(x, 3, 1, 1))).mean((2, 3)))

    return S()


@case(IMG)
def shared_head_levels():
    class S(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = conv_block(3, 16, s=2)
            self.b = conv_block(16, 32, s=2)
            self.l1 = nn.Conv2d(16, 24, 1)
            self.l2 = nn.Conv2d(32, 24, 1)
            self.t = nn.Sequential(
                nn.Conv2d(24, 24, 3, padding=1), nn.GroupNorm(4, 24), nn.ReLU()
            )
            self.cls = nn.Conv2d(24, 3 * 4, 3, padding=1)
            self.box = nn.Conv2d(24, 3 * 4, 3, padding=1)

        def forward(self, x):
            a = self.a(x)
            b = self.b(a)
            c, r = [], []
            for f in (self.l1(a), self.l2(b)):
                t = self.t(f)
                n = f.shape[0]
                c.append(self.cls(t).permute(0, 2, 3, 1).reshape(n, -1, 4))
                r.append(
                    self.box(t).view(n, 3, 4, -1).permute(0, 3, 1, 2).flatten(1, 2)
                )
            return torch.cat(c, 1), torch.cat(r, 1)

    return S()


@case(IMG)
def dense_concat():
    class D(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(3, 10, 3, padding=1)
            self.lateral = nn.ModuleList(
                nn.Sequential(
                    nn.BatchNorm2d(13 + 7 * i),
                    nn.ReLU(),
                    nn.Conv2d(13 + 7 * i, 7, 3, padding=1),
                )
                for i in range(3)
            )
            self.t = nn.Conv2d(34, 20, 1)
            self.h = nn.Linear(20, 5)

        def forward(self, x):
            y = torch.cat([self.a(x), x], 1)
            for m in self.lateral:
                y = torch.cat([y, m(y)], 1)
            return self.h(F.avg_pool2d(self.t(y), 2).mean((2, 3)))

    return D()


class C2f(nn.Module):
    def __init__(self, i, o, n=2):
        super().__init__()
        self.c = o // 2
        self.v1 = conv_block(i, 2 * self.c, 1)
        self.v2 = conv_block((2 + n) * self.c, o, 1)
        self.m = nn.ModuleList(
            nn.Sequential(conv_block(self.c, self.c), conv_block(self.c, self.c))
            for _ in range(n)
        )

    def forward(self, x):
        y = list(self.v1(x).chunk(2, 1))
        for m in self.m:
            y.append(y[-1] + m(y[-1]))
        return self.v2(torch.cat(y, 1))


@case(IMG)
def c2f():
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 5))
    return nn.Sequential(conv_block(3, 16), C2f(16, 32), C2f(32, 24), *head)


@case(IMG)
def fno_fft():
    class S(nn.Module):
        def __init__(self, c):
            super().__init__()
            self.w = nn.Parameter(torch.randn(c, c, 4, 4, 2) * 0.1)
            self.s = nn.Conv2d(c, c, 1)

        def forward(self, x):
            z = torch.fft.rfft2(x)
            w = torch.view_as_complex(self.w)
            o = torch.zeros_like(z)
            o[:, :, :4, :4] = torch.einsum("bixy,ioxy->boxy", z[:, :, :4, :4], w)
            return F.gelu(torch.fft.irfft2(o, s=x.shape[-2:]) + self.s(x))

    return nn.Sequential(nn.Conv2d(3, 16, 1), S(16), S(16), nn.Conv2d(16, 1, 1))


@case(IMG)
def pconv_cat():
    """FasterNet's partial convolution."""

    class P(nn.Module):
        def __init__(self, c):
            super().__init__()
            self.k = c // 4
            self.c = c
            self.p = nn.Conv2d(self.k, self.k, 3, padding=1, bias=False)
            self.m = nn.Sequential(conv_block(c, 2 * c, 1), nn.Conv2d(2 * c, c, 1))

        def forward(self, x):
            a, b = torch.split(x, [self.k, self.c - self.k], 1)
            return x + self.m(torch.cat([self.p(a), b], 1))

    return nn.Sequential(
        conv_block(3, 16),
        P(16),
        P(16),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 5),
    )


@case(((3, 16, 16), "float32"))
def channel_attention_dan():
    """DANet channel attention: a matrix of channels by channels."""

    class N(nn.Module):
        def __init__(self, c=16):
            super().__init__()
            self.a = conv_block(3, c)
            self.b = conv_block(c, c)
            self.h = nn.Linear(c, 5)

        def forward(self, x):
            x = self.a(x)
            B, C, H, W = x.shape
            f = self.b(x).flatten(2)
            e = f @ f.transpose(1, 2)
            e = (e.max(-1, keepdim=True)[0] - e).softmax(-1)
            return self.h((x + (e @ f).view(B, C, H, W)).mean((2, 3)))

    return N()
