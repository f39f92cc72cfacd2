"""Networks after what people report: images, detectors, windows, warps, attention over channels."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.zoo.parts import IMG, Net, conv_block, registry

ENTRIES, case = registry()


@case(IMG)
def convt_groups():
    return nn.Sequential(
        conv_block(3, 16),
        nn.ConvTranspose2d(16, 24, 4, 2, 1, groups=4),
        nn.PReLU(24),
        nn.ConvTranspose2d(24, 24, 3, 2, 1, output_padding=1, groups=24),
        nn.Conv2d(24, 3, 1),
    )


@case(IMG)
def prelu():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.PReLU(16),
        nn.Conv2d(16, 24, 3, padding=1),
        nn.PReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 32),
        nn.PReLU(32),
        nn.Linear(32, 5),
    )


@case(IMG)
def instance_norm_style():
    return nn.Sequential(
        nn.ReflectionPad2d(2),
        nn.Conv2d(3, 16, 5),
        nn.InstanceNorm2d(16, affine=True),
        nn.ReLU(),
        nn.Conv2d(16, 24, 3, 2, 1),
        nn.InstanceNorm2d(24),
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        nn.ReplicationPad2d(1),
        nn.Conv2d(24, 3, 3),
        nn.Tanh(),
    )


@case(IMG)
def instance_norm_running():
    return nn.Sequential(
        nn.Conv2d(3, 16, 5),
        nn.InstanceNorm2d(16, affine=True, track_running_stats=True),
        nn.ReLU(),
        nn.Conv2d(16, 24, 3, 2, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 5),
    )


@case(IMG)
def odd_padding():
    return Net(
        lambda self, x: self.h(
            self.d(
                F.relu(
                    self.c(
                        F.relu(
                            self.b(
                                F.pad(
                                    F.relu(self.a(F.pad(x, (1, 0, 2, 1)))), (0, 1, 0, 1)
                                )
                            )
                        )
                    )
                )
            )
        ),
        a=nn.Conv2d(3, 16, 3, 1),
        b=nn.Conv2d(16, 16, 4, padding="same", dilation=2),
        c=nn.Conv2d(16, 24, 3, padding=1, padding_mode="circular"),
        d=nn.Conv2d(24, 16, (1, 7), padding=(0, 3), padding_mode="reflect"),
        h=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5)),
    )


@case(((3, 14, 14), "float32"))
def adaptive_odd():
    return nn.Sequential(
        conv_block(3, 16),
        conv_block(16, 24, s=2),
        nn.AdaptiveAvgPool2d((3, 2)),
        nn.Flatten(),
        nn.Linear(24 * 6, 32),
        nn.ReLU(),
        nn.Linear(32, 5),
    )


@case(((3, 14, 14), "float32"))
def adaptive_max_odd():
    return nn.Sequential(
        conv_block(3, 16),
        conv_block(16, 24, s=2),
        nn.AdaptiveMaxPool2d((3, 5)),
        nn.Flatten(),
        nn.Linear(24 * 15, 5),
    )


@case(IMG)
def unshuffle():
    return nn.Sequential(
        nn.PixelUnshuffle(2),
        conv_block(12, 16),
        nn.PixelUnshuffle(2),
        conv_block(64, 32),
        nn.PixelShuffle(2),
        nn.Conv2d(8, 12, 3, padding=1),
        nn.PixelShuffle(2),
    )


@case(IMG)
def focus_slices():
    return Net(
        lambda self, x: self.n(
            torch.cat(
                [
                    x[..., ::2, ::2],
                    x[..., 1::2, ::2],
                    x[..., ::2, 1::2],
                    x[..., 1::2, 1::2],
                ],
                1,
            )
        ),
        n=nn.Sequential(
            conv_block(12, 16),
            conv_block(16, 24, s=2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(24, 5),
        ),
    )


@case(IMG)
def cbam():
    class C(nn.Module):
        def __init__(self, c):
            super().__init__()
            self.m = nn.Sequential(
                nn.Conv2d(c, c // 4, 1, bias=False),
                nn.ReLU(),
                nn.Conv2d(c // 4, c, 1, bias=False),
            )
            self.sp = nn.Conv2d(2, 1, 7, padding=3, bias=False)

        def forward(self, x):
            a = torch.sigmoid(
                self.m(F.adaptive_avg_pool2d(x, 1))
                + self.m(F.adaptive_max_pool2d(x, 1))
            )
            x = x * a
            b = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)
            return x * torch.sigmoid(self.sp(b))

    return nn.Sequential(
        conv_block(3, 16),
        C(16),
        conv_block(16, 24, s=2),
        C(24),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 5),
    )


@case(IMG)
def eca():
    class E(nn.Module):
        def __init__(self):
            super().__init__()
            self.c = nn.Conv1d(1, 1, 3, padding=1, bias=False)

        def forward(self, x):
            y = F.adaptive_avg_pool2d(x, 1)
            y = self.c(y.squeeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
            return x * torch.sigmoid(y).expand_as(x)

    return nn.Sequential(
        conv_block(3, 16),
        E(),
        conv_block(16, 24, s=2),
        conv_block(24, 24),
        E(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 5),
    )


@case(IMG)
def bifpn():
    class B(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = conv_block(3, 16, s=2)
            self.b = conv_block(16, 32, s=2)
            self.c = conv_block(32, 48, s=2)
            self.lateral = nn.ModuleList(nn.Conv2d(i, 20, 1) for i in (16, 32, 48))
            self.w = nn.ParameterList(nn.Parameter(torch.ones(n)) for n in (2, 2, 3))
            self.o = nn.ModuleList(conv_block(20, 20) for _ in range(3))
            self.h = nn.Conv2d(20, 6, 1)

        def fuse(self, k, *xs):
            w = F.relu(self.w[k])
            w = w / (w.sum() + 1e-4)
            return self.o[k](F.silu(sum(w[i] * x for i, x in enumerate(xs))))

        def forward(self, x):
            p3 = self.a(x)
            p4 = self.b(p3)
            p5 = self.c(p4)
            p3, p4, p5 = (m(p) for m, p in zip(self.lateral, (p3, p4, p5), strict=True))
            u4 = self.fuse(0, p4, F.interpolate(p5, scale_factor=2, mode="nearest"))
            u3 = self.fuse(1, p3, F.interpolate(u4, size=p3.shape[-2:], mode="nearest"))
            d4 = self.fuse(2, p4, u4, F.max_pool2d(u3, 3, 2, 1))
            return [self.h(u3), self.h(d4)]

    return B()


@case(IMG)
def stn_grid_sample():
    class S(nn.Module):
        def __init__(self):
            super().__init__()
            self.loc = nn.Sequential(
                conv_block(3, 8, s=2),
                nn.AdaptiveAvgPool2d(2),
                nn.Flatten(),
                nn.Linear(32, 16),
                nn.ReLU(),
                nn.Linear(16, 6),
            )
            self.n = nn.Sequential(
                conv_block(3, 16),
                conv_block(16, 24, s=2),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(24, 5),
            )

        def forward(self, x):
            t = self.loc(x).view(-1, 2, 3)
            g = F.affine_grid(t, list(x.shape), align_corners=False)
            return self.n(F.grid_sample(x, g, align_corners=False))

    return S()


@case(IMG)
def deform_offsets():
    class S(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = conv_block(3, 16)
            self.off = nn.Conv2d(16, 2, 3, padding=1)
            self.b = conv_block(16, 24)
            self.h = nn.Conv2d(24, 4, 1)
            ys, xs = torch.meshgrid(
                torch.linspace(-1, 1, 16), torch.linspace(-1, 1, 16), indexing="ij"
            )
            self.register_buffer("base", torch.stack([xs, ys], -1)[None])

        def forward(self, x):
            x = self.a(x)
            g = self.base + 0.1 * torch.tanh(self.off(x)).permute(0, 2, 3, 1)
            return self.h(
                self.b(
                    F.grid_sample(
                        x, g, mode="bilinear", padding_mode="border", align_corners=True
                    )
                )
            )

    return S()


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
