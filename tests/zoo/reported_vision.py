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
