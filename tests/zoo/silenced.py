"""The author's own module, run eagerly with some units silent: what an exact cut must equal.

Nothing here is shared with the surgery or with its labels. Of EdgeKit it takes only a plan: the
indices of parameters that leave. From there a mask of the same shape goes with every tensor and
is computed by running the author's own operators, element by element: moved with what is moved,
joined where operands meet, counted where terms are summed. Activations are zero wherever their
mask is set, so a silent unit adds nothing to any sum that reads it. Parameters keep their
values: a norm that an author computes over weights sees all of them.

Where a cut is not claimed to be exact, `over_kept` takes each statistic (a norm's, a mean, a
softmax, an extreme) over what stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.weak import WeakIdKeyDictionary

from edgekit.graph.graph import WidthGraph
from edgekit.types import Plan
from tests.zoo.over_kept import OVER_KEPT, leaves, reduced_dims

MOVES = (
    "cat stack clone _to_copy copy index index_select gather embedding flip roll "
    "constant_pad_nd pixel_shuffle pixel_unshuffle native_channel_shuffle repeat "
    "channel_shuffle im2col unfold_backward reflection_pad1d reflection_pad2d "
    "replication_pad1d replication_pad2d lift_fresh _unsafe_view tril triu _unsafe_index "
    "repeat_interleave slice_scatter select_scatter _reshape_alias contiguous "
    "take_along_dim _unsafe_masked_index unsafe_split unsafe_split_with_sizes unsafe_chunk"
)
"""Operators that give every output element one input element, or a constant."""
ELEMENTS = (
    "where masked_fill fill zero bernoulli native_dropout prelu _prelu_kernel rrelu "
    "rrelu_with_noise dropout hardswish hardsigmoid nan_to_num lerp floor_divide _conj "
    "complex polar real imag view_as_real view_as_complex isnan clamp_min bitwise_and cumsum "
    "_softmax _log_softmax _safe_softmax cumprod cummax sort topk ones_like zeros_like "
    "full_like empty_like hardshrink softshrink logcumsumexp gelu celu log_sigmoid_forward "
    ""
)
"""Operators whose outputs are silent where an operand at the same place is."""
PRODUCTS = (
    "mm bmm mv dot vdot addmm baddbmm addmv convolution _convolution _trilinear "
    "mkldnn_convolution thnn_conv2d _slow_conv2d_forward addbmm addr ger outer"
)
"""Sums of products: an output is silent where all of its terms are."""
SUMS = (
    "sum mean var std var_mean std_mean linalg_vector_norm norm amax amin max min argmax "
    "argmin prod logsumexp any all median"
)
SPATIAL = (
    "max_pool2d_with_indices max_pool3d_with_indices avg_pool2d avg_pool3d avg_pool1d "
    "_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d "
    "upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d "
    "upsample_bilinear2d upsample_bicubic2d upsample_trilinear3d _upsample_nearest_exact2d "
    "_upsample_bilinear2d_aa max_pool2d max_pool1d adaptive_avg_pool1d "
    "grid_sampler_2d grid_sampler_3d col2im "
    "_upsample_nearest_exact1d"
)
"""Operators that treat the channels of an image alike and apart from each other."""
NORMS = (
    "native_layer_norm native_group_norm native_batch_norm _fused_rms_norm rms_norm "
    "_native_batch_norm_legit _native_batch_norm_legit_no_training cudnn_batch_norm "
    "_native_batch_norm_legit_functional _batch_norm_with_update"
)
WRITES = (
    "index_add scatter_add scatter scatter_reduce index_put index_copy _index_put_impl"
)
"""Operators that write a source into places of another tensor."""
DISTANCES = "_cdist_forward _euclidean_dist"
ADDED = "addmm baddbmm addmv addbmm addr"
"""Products onto a tensor that comes first."""


@torch.no_grad()
def silenced(
    network: nn.Module,
    graph: WidthGraph,
    plan: Plan,
    inputs: tuple[Tensor, ...],
    *,
    over_kept: bool = False,
) -> list[Tensor]:
    """The author's outputs, in order, with the units that `plan` removes silent."""
    mode = _Silence(over_kept=over_kept)
    _mark(network, graph, plan, mode)
    with _plainly(), mode:
        for tensor in inputs:
            mode.live(tensor)
        results = network(*inputs)
    return leaves(results)


def gone(graph: WidthGraph, plan: Plan) -> dict[str, Tensor]:
    """By parameter, true for every element that leaves with a unit that is not kept."""
    state = graph.program.module.state_dict(keep_vars=True)
    found: dict[str, Tensor] = {}
    for group in graph.groups:
        kept = set(plan.kept.get(group.id, range(group.units)))
        for slot in group.slots:
            if slot.parameter not in state:
                continue
            tensor = state[slot.parameter]
            removed = [
                i for i, units in enumerate(slot.units) if not kept.issuperset(units)
            ]
            mask = found.setdefault(
                slot.parameter, torch.zeros_like(tensor, dtype=torch.bool)
            )
            mask.index_fill_(slot.dim, torch.tensor(removed, dtype=torch.long), True)
    return found


@contextmanager
def _plainly() -> Iterator[None]:
    """Attention, encoders and recurrent layers as the operators they are made of."""
    fast = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
        torch.backends.mha.set_fastpath_enabled(False)
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        yield


def _mark(network: nn.Module, graph: WidthGraph, plan: Plan, mode: _Silence) -> None:
    """Give `mode` the masks of parameters, also of those that the author computes again."""
    known = dict(network.named_parameters(remove_duplicate=False))
    known |= dict(network.named_buffers(remove_duplicate=False))
    state = graph.program.module.state_dict()
    for name, mask in gone(graph, plan).items():
        path = name
        if name not in known:  # a wrapper's prefix, such as data parallel's
            path = next((n for n in known if n.endswith(f".{name}")), name)
        if path in known and known[path].shape == mask.shape:
            mode.mark(known[path], mask)
        else:
            mode.computed.append((state[name], mask))


@dataclass(frozen=True, kw_only=True)
class _Ran:
    """One operator as the author's module ran it."""

    func: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    result: Any
    active: bool
    """True where it reads an activation."""

    @property
    def name(self) -> str:
        return _name(self.func)

    @cached_property
    def arguments(self) -> dict[str, Any]:
        return named(self.func, self.args, self.kwargs)


class _Silence(TorchDispatchMode):
    def __init__(self, *, over_kept: bool) -> None:
        super().__init__()
        self.over_kept = over_kept
        self.masks: Any = WeakIdKeyDictionary()
        self.active: Any = WeakIdKeyDictionary()
        self.computed: list[tuple[Tensor, Tensor]] = []
        """Weights that were folded, which the author's code makes: known by their values."""

    def mark(self, tensor: Tensor, mask: Tensor) -> None:
        self.masks[tensor] = mask

    def live(self, tensor: Tensor) -> None:
        """An input: what depends on it is an activation."""
        self.active[tensor] = True

    def mask(self, tensor: Tensor) -> Tensor:
        if tensor not in self.masks:
            self.masks[tensor] = torch.zeros_like(tensor, dtype=torch.bool)
        mask: Tensor = self.masks[tensor]
        return mask

    def touched(self, tensors: Sequence[Tensor]) -> bool:
        return any(bool(self.mask(tensor).any()) for tensor in tensors)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        # Off around the mode, so that recurrent layers come as what they are made of; on here,
        # because grouped convolutions crawl without it.
        with torch.backends.mkldnn.flags(enabled=True):
            return self._run(func, args, kwargs or {})

    def _run(self, func: Any, args: Any, kwargs: Any) -> Any:
        given = _tensors((args, kwargs))
        active = any(tensor in self.active for tensor in given)
        touched, name, read = self.touched(given), _name(func), args
        if touched and (
            (not active and name in PRODUCTS.split())
            or (self.over_kept and name in DISTANCES.split())
        ):
            read = self._weights_filled(args)
        counted = touched and self.over_kept and name in OVER_KEPT
        before = given[0].clone() if counted else None
        result = func(*read, **kwargs)
        if before is not None:
            keep, arguments = ~self.mask(given[0]), named(func, args, kwargs)
            values = OVER_KEPT[name](before, keep, arguments)
            for out, value in zip(leaves(result), values, strict=False):
                out.copy_(value)
        ran = _Ran(func=func, args=args, kwargs=kwargs, result=result, active=active)
        for position, out in enumerate(_outputs(result)):
            if out is not None:
                self._follow(ran, position, out, touched)
        return result

    def _weights_filled(self, args: Any) -> Any:
        """In a product of weights, what leaves with a unit of its own adds nothing."""
        return tree_map(
            lambda t: t.masked_fill(self.mask(t), 0) if isinstance(t, Tensor) else t,
            args,
        )

    def _follow(self, ran: _Ran, position: int, out: Tensor, touched: bool) -> None:
        """Give an output its mask, and silence it there."""
        if ran.active:
            self.active[out] = True
        if torch.Tag.inplace_view in ran.func.tags:
            ran.func(self.mask(ran.args[0]), *ran.args[1:], **ran.kwargs)
        elif ran.func.is_view:
            self.masks[out] = self._view(ran, position, out)
        elif touched:
            mask = self._mask(ran, position, out)
            if any(out is given for given in ran.arguments.values()):
                self.mask(out).copy_(mask)
            else:
                self.masks[out] = torch.empty_like(out, dtype=torch.bool).copy_(mask)
            if ran.active and out.numel():
                out.masked_fill_(self.mask(out), 0)
        if not ran.active:
            self._recognize(out)

    def _recognize(self, out: Tensor) -> None:
        for value, mask in self.computed:
            if value.shape == out.shape and _alike(out, value):
                self.masks[out] = self.mask(out) | mask

    def _view(self, ran: _Ran, position: int, out: Tensor) -> Tensor:
        first = self.mask(ran.args[0])
        if ran.name == "view_as_complex":
            return first[..., 0] | first[..., 1]
        if ran.name == "view_as_real":
            return first.unsqueeze(-1).expand(out.shape)
        try:
            moved = ran.func(first, *ran.args[1:], **ran.kwargs)
        except RuntimeError:  # a mask of another memory layout
            moved = first.reshape(out.shape)
        return moved[position] if isinstance(moved, list | tuple) else moved

    def _mask(self, ran: _Ran, position: int, out: Tensor) -> Tensor:
        """Where an output is silent."""
        name, arguments = ran.name, ran.arguments
        masks = [self.mask(t) for t in _tensors(list(arguments.values()))]
        first = masks[0]
        if name == "_embedding_bag" and position == 0:
            return first.all(0).expand(out.shape)
        if name.startswith("new_") or name == "_embedding_bag":
            return torch.zeros_like(out, dtype=torch.bool)
        if name in DISTANCES.split():
            rows, columns = (mask.all(-1) for mask in masks)
            return rows[..., :, None] | columns[..., None, :]
        if name == "glu":
            return torch.logical_or(*first.chunk(2, arguments["dim"]))
        if name.startswith("_fft"):
            return _over(first, arguments["dim"], out)
        if name in MOVES.split():
            return self._moved(ran, position)
        if name in WRITES.split():
            return self._written(ran)
        if name in PRODUCTS.split():
            return self._product(ran, out)
        return self._kept(ran, masks, out)

    def _kept(self, ran: _Ran, masks: list[Tensor], out: Tensor) -> Tensor:
        """Where the output of a norm, a reduction or an element-wise operator is silent."""
        name, arguments, first = ran.name, ran.arguments, masks[0]
        if name in NORMS.split() or name == "_weight_norm_interface":
            if out.shape != first.shape:  # the statistics beside the result
                return torch.zeros_like(out, dtype=torch.bool)
            if name == "_weight_norm_interface":
                return _joined(masks, out)
            return _normed(first, arguments, self.mask)
        if name in SUMS.split() and arguments.get("other") is None:
            return _reduced(first, arguments, out)
        if name in SPATIAL.split():
            whole = first.flatten(2).all(-1)
            return whole.reshape(*whole.shape, *[1] * (out.dim() - 2)).expand(out.shape)
        if _pointwise(ran.func) or name in (*ELEMENTS.split(), *SUMS.split()):
            return _joined(masks, out)
        raise NotImplementedError(f"the reference lacks {ran.func}")

    def _moved(self, ran: _Ran, position: int) -> Tensor:
        def moved(value: Any) -> Any:
            if not isinstance(value, Tensor) or _is_index(value):
                return value
            return self.mask(value).float()

        swapped = {name: tree_map(moved, v) for name, v in ran.arguments.items()}
        for name in {"dtype", "memory_format"} & swapped.keys():
            swapped[name] = None
        if "value" in swapped:
            swapped["value"] = 0
        return _call(ran.func, swapped, position) != 0

    def _written(self, ran: _Ran) -> Tensor:
        """A place that is written to is silent where all that arrives there is."""
        arguments = ran.arguments
        own = self.mask(arguments["self"])
        name = next((n for n in ("source", "src", "values") if n in arguments), None)
        if name is None:
            return own
        mask = self.mask(arguments[name])
        silent, live = (
            _call(ran.func, arguments | {"self": torch.zeros(own.shape), name: part})
            for part in (mask.float(), (~mask).float())
        )
        return torch.where(silent + live > 0, live == 0, own) | own

    def _product(self, ran: _Ran, out: Tensor) -> Tensor:
        """Count each output's terms, all and those that are left; silent biases join in."""
        arguments = ran.arguments
        added = "self" if ran.name in ADDED.split() else "bias"

        def counted(keep: bool) -> Tensor:
            swapped = dict(arguments)
            for key, value in arguments.items():
                if isinstance(value, Tensor):
                    ones = torch.ones(value.shape)
                    swapped[key] = ones * ~self.mask(value) if keep else ones
                    if key == added:
                        swapped[key] = torch.zeros(value.shape)
            return _call(ran.func, swapped)

        silent = (counted(True) == 0) & (counted(False) != 0)
        if isinstance(arguments.get(added), Tensor):
            bias = self.mask(arguments[added])
            if added == "bias":
                bias = bias.reshape(-1, *[1] * (out.dim() - 2))
            silent = silent | bias
        return silent


def _alike(one: Tensor, other: Tensor) -> bool:
    floats = one.is_floating_point()
    return floats and torch.allclose(one, other.to(one.dtype), rtol=1e-4, atol=1e-6)


def _name(func: Any) -> str:
    return str(func._schema.name).partition("::")[2].rstrip("_")


def _is_index(tensor: Tensor) -> bool:
    return not (tensor.is_floating_point() or tensor.is_complex())


def _pointwise(func: Any) -> bool:
    """By torch's own tags, which in-place operators lack."""
    packet = getattr(torch.ops.aten, _name(func), None)
    plain = getattr(packet, func._overloadname, func)
    return torch.Tag.pointwise in func.tags or torch.Tag.pointwise in plain.tags


def _call(func: Any, arguments: Mapping[str, Any], position: int = 0) -> Tensor:
    schema = func._schema.arguments
    args = [arguments[a.name] for a in schema if not a.kwarg_only]
    kwargs = {a.name: arguments[a.name] for a in schema if a.kwarg_only}
    result: Any = func(*args, **kwargs)
    return result if isinstance(result, Tensor) else result[position]


def named(func: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    schema = func._schema.arguments
    found = {a.name: a.default_value if a.has_default_value() else None for a in schema}
    found |= dict(zip((a.name for a in schema), args, strict=False))
    return found | kwargs


def _outputs(result: Any) -> list[Tensor | None]:
    multiple = result if isinstance(result, list | tuple) else [result]
    return [r if isinstance(r, Tensor) else None for r in multiple]


def _tensors(values: Any) -> list[Tensor]:
    return [t for t in tree_flatten(list(values))[0] if isinstance(t, Tensor)]


def _joined(masks: Sequence[Tensor], out: Tensor) -> Tensor:
    found = torch.zeros(out.shape, dtype=torch.bool)
    for mask in masks:
        if mask.dim() <= out.dim():
            found = found | mask
    return found


def _reduced(mask: Tensor, arguments: Mapping[str, Any], out: Tensor) -> Tensor:
    silent = (~mask).float()
    dims = reduced_dims(arguments, mask.dim())
    return (silent.amax(dims, keepdim=True) == 0).reshape(out.shape)


def _over(mask: Tensor, dims: Sequence[int], out: Tensor) -> Tensor:
    """Silent as a whole along these dimensions, or not at all."""
    whole = (~mask).float().amax([d % mask.dim() for d in dims], keepdim=True) == 0
    return whole.expand(out.shape)


def _normed(
    mask: Tensor, arguments: Mapping[str, Any], masks: Callable[[Tensor], Tensor]
) -> Tensor:
    affine = [
        masks(arguments[name])
        for name in ("weight", "bias")
        if isinstance(arguments.get(name), Tensor)
    ]
    for own in affine:
        if "normalized_shape" not in arguments:
            own = own.reshape(-1, *[1] * (mask.dim() - 2))
        mask = mask | own
    return mask
