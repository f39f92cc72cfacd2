"""Networks after what people report: computed weights, odd outputs, wrappers, signatures."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from tests.zoo.parts import IMG, Net, conv_block, registry

ENTRIES, case = registry()


@case(IMG)
def weight_norm_new():
    from torch.nn.utils.parametrizations import weight_norm

    return nn.Sequential(
        weight_norm(nn.Conv2d(3, 16, 3, padding=1)),
        nn.ReLU(),
        weight_norm(nn.Conv2d(16, 24, 3, padding=1)),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        weight_norm(nn.Linear(24, 5)),
    )


@case(IMG)
def weight_norm_old():
    from torch.nn.utils import weight_norm

    return nn.Sequential(
        weight_norm(nn.Conv2d(3, 16, 3, padding=1)),
        nn.ReLU(),
        weight_norm(nn.Conv2d(16, 24, 3, padding=1)),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        weight_norm(nn.Linear(24, 5)),
    )


@case(IMG)
def spectral_norm_new():
    from torch.nn.utils.parametrizations import spectral_norm

    return nn.Sequential(
        spectral_norm(nn.Conv2d(3, 16, 3, padding=1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(16, 24, 3, padding=1)),
        nn.LeakyReLU(0.2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        spectral_norm(nn.Linear(24, 5)),
    )


@case(IMG)
def spectral_norm_old():
    from torch.nn.utils import spectral_norm

    return nn.Sequential(
        spectral_norm(nn.Conv2d(3, 16, 3, padding=1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(16, 24, 3, padding=1)),
        nn.LeakyReLU(0.2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 5),
    )


@case(IMG)
def dict_out():
    return Net(
        lambda self, x: (lambda f: {"logits": self.h(f.mean((2, 3))), "features": f})(
            self.n(x)
        ),
        n=nn.Sequential(conv_block(3, 16), conv_block(16, 24, s=2)),
        h=nn.Linear(24, 5),
    )


@dataclass
class Out:
    logits: torch.Tensor
    mask: torch.Tensor


@case(IMG)
def dataclass_out():
    return Net(
        lambda self, x: (lambda f: Out(logits=self.h(f.mean((2, 3))), mask=self.m(f)))(
            self.n(x)
        ),
        n=nn.Sequential(conv_block(3, 16), conv_block(16, 24, s=2)),
        h=nn.Linear(24, 5),
        m=nn.Conv2d(24, 1, 1),
    )


@case(IMG)
def nested_out():
    return Net(
        lambda self, x: (
            lambda f: (self.h(f.mean((2, 3))), [f, {"m": self.m(f), "none": None}])
        )(self.n(x)),
        n=nn.Sequential(conv_block(3, 16), conv_block(16, 24, s=2)),
        h=nn.Linear(24, 5),
        m=nn.Conv2d(24, 1, 1),
    )


@case(IMG)
def bn_no_stats():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3),
        nn.BatchNorm2d(16, track_running_stats=False),
        nn.ReLU(),
        nn.Conv2d(16, 24, 3),
        nn.BatchNorm2d(24, affine=False),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 5),
    )


@case(IMG)
def frozen_bn():
    class FB(nn.Module):
        def __init__(self, c):
            super().__init__()
            for n, v in (
                ("weight", torch.rand(c) + 0.5),
                ("bias", torch.randn(c)),
                ("running_mean", torch.randn(c)),
                ("running_var", torch.rand(c) + 0.5),
            ):
                self.register_buffer(n, v)

        def forward(self, x):
            w = (
                self.weight.reshape(1, -1, 1, 1)
                * (self.running_var.reshape(1, -1, 1, 1) + 1e-5).rsqrt()
            )
            return x * w + (
                self.bias.reshape(1, -1, 1, 1)
                - self.running_mean.reshape(1, -1, 1, 1) * w
            )

    return nn.Sequential(
        nn.Conv2d(3, 16, 3, bias=False),
        FB(16),
        nn.ReLU(),
        nn.Conv2d(16, 24, 3, bias=False),
        FB(24),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 5),
    )


@case(IMG)
def dropout_on():
    return Net(
        lambda self, x: self.h(F.dropout(self.n(x).mean((2, 3)), 0.5)),
        n=nn.Sequential(conv_block(3, 16), conv_block(16, 24, s=2)),
        h=nn.Linear(24, 5),
    )


@case(IMG)
def inception_aux():
    class Auxiliary(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = conv_block(3, 16)
            self.aux = nn.Linear(16, 5)
            self.b = conv_block(16, 24, s=2)
            self.h = nn.Linear(24, 5)

        def forward(self, x):
            x = self.a(x)
            aux = self.aux(x.mean((2, 3))) if self.training else None
            y = self.h(self.b(x).mean((2, 3)))
            return (y, aux) if self.training else y

    return Auxiliary()


@case(IMG)
def weight_standardized():
    class WS(nn.Conv2d):
        def forward(self, x):
            w = self.weight
            w = (w - w.mean((1, 2, 3), keepdim=True)) / (
                w.std((1, 2, 3), keepdim=True) + 1e-5
            )
            return F.conv2d(
                x, w, self.bias, self.stride, self.padding, self.dilation, self.groups
            )

    return nn.Sequential(
        WS(3, 16, 3, padding=1),
        nn.GroupNorm(4, 16),
        nn.ReLU(),
        WS(16, 24, 3, padding=1),
        nn.GroupNorm(4, 24),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 5),
    )


@case(IMG)
def squeeze_all():
    return Net(
        lambda self, x: self.h(F.adaptive_avg_pool2d(self.n(x), 1).squeeze()),
        n=nn.Sequential(conv_block(3, 16), conv_block(16, 24, s=2)),
        h=nn.Linear(24, 5),
    )


@case(IMG)
def mutated_buffer():
    class M(nn.Module):
        def __init__(self):
            super().__init__()
            self.n = nn.Sequential(conv_block(3, 16), conv_block(16, 24, s=2))
            self.h = nn.Linear(24, 5)
            self.register_buffer("seen", torch.zeros((), dtype=torch.long))
            self.register_buffer("center", torch.zeros(24))

        def forward(self, x):
            self.seen += 1
            f = self.n(x).mean((2, 3))
            self.center.mul_(0.9).add_(f.detach().mean(0) * 0.1)
            return self.h(f - self.center)

    return M()


@case(IMG)
def inplace_assign():
    class M(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = conv_block(3, 16)
            self.p = nn.Conv2d(4, 4, 3, padding=1)
            self.b = conv_block(16, 24, s=2)
            self.h = nn.Linear(24, 5)

        def forward(self, x):
            y = self.a(x)
            y = y.clone()
            y[:, :4] = self.p(y[:, :4])
            return self.h(self.b(y).mean((2, 3)))

    return M()


@case(IMG)
def data_parallel():
    return nn.DataParallel(
        nn.Sequential(
            conv_block(3, 16),
            conv_block(16, 24, s=2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(24, 5),
        )
    )


@case(IMG)
def scripted():
    return torch.jit.script(
        nn.Sequential(
            conv_block(3, 16),
            conv_block(16, 24, s=2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(24, 5),
        )
    )


@case(IMG)
def torch_prune_masks():
    from torch.nn.utils import prune

    m = nn.Sequential(
        conv_block(3, 16),
        conv_block(16, 24, s=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 5),
    )
    prune.ln_structured(m[0][0], "weight", 0.25, n=2, dim=0)
    prune.l1_unstructured(m[4], "weight", 0.3)
    return m


class VarArgs(nn.Module):
    def __init__(self):
        super().__init__()
        self.n = nn.Sequential(conv_block(3, 16), conv_block(16, 24, s=2))
        self.h = nn.Linear(24, 5)

    def forward(self, *images):
        return self.h(self.n(images[0]).mean((2, 3)))


@case(IMG)
def varargs_forward():
    return VarArgs()


class KwArgs(VarArgs):
    def forward(self, x, **options):
        return self.h(self.n(x).mean((2, 3)))


@case(IMG)
def kwargs_forward():
    return KwArgs()


class OptArgs(VarArgs):
    def forward(self, x, mask=None, return_features=False):
        f = self.n(x)
        if mask is not None:
            f = f * mask
        y = self.h(f.mean((2, 3)))
        return (y, f) if return_features else y


@case(IMG)
def optional_args():
    return OptArgs()
