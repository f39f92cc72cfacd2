"""Element-wise operators with broadcasting, pooling and resizing, and new constant tensors."""

from __future__ import annotations

from torch import fx

from edgekit.graph.labels import Axes
from edgekit.graph.propagate import Call, Outputs, Rule, Walk

ELEMENTWISE = (
    "add sub mul div relu gelu silu sigmoid tanh hardtanh hardswish hardsigmoid relu6 "
    "elu selu celu leaky_relu dropout feature_dropout alpha_dropout contiguous alias "
    "clone detach pow rsqrt sqrt square reciprocal neg sin cos clamp "
    "clamp_min clamp_max exp exp2 expm1 erf bitwise_not bitwise_and bitwise_or "
    "logical_not logical_and logical_or ones_like zeros_like full_like empty_like "
    "_to_copy where masked_fill softplus softsign mish log log1p log2 log10 "
    "logsigmoid log_sigmoid __and__ __or__ ge le ne eq gt lt maximum minimum abs sign "
    "rsub floor ceil round trunc floor_divide remainder fmod lift_fresh_copy "
    "lift_fresh copy fill atan atan2 tan asin acos sinh cosh hardshrink softshrink "
    "threshold rrelu isnan isinf nan_to_num lerp addcmul addcdiv "
    "identity positive true_divide data zero"
)

SPATIAL = (
    "max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d "
    "adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d "
    "max_pool2d_with_indices adaptive_avg_pool1d adaptive_avg_pool2d "
    "adaptive_avg_pool3d upsample_nearest1d "
    "upsample_nearest2d upsample_nearest3d _upsample_nearest_exact2d "
    "upsample_linear1d upsample_bilinear2d upsample_bicubic2d upsample_trilinear3d "
    "_upsample_bilinear2d_aa _upsample_bicubic2d_aa _upsample_nearest_exact1d "
    "_upsample_nearest_exact3d reflection_pad1d reflection_pad2d reflection_pad3d "
    "replication_pad1d replication_pad2d replication_pad3d"
)

CONSTANT = "zeros ones full empty new_zeros new_ones new_full new_empty"
WITHOUT_LABELS = (
    "arange scalar_tensor linspace eye rand randn tril_indices triu_indices"
)


def elementwise(walk: Walk, call: Call) -> Axes:
    """Elementwise operators: operands' axes meet by broadcasting."""
    return walk.broadcast(
        call, [(walk.of(n), walk.shape(n)) for n in tensors(walk, call)]
    )


def converted(walk: Walk, call: Call) -> Axes:
    """`to` and `type_as`: another tensor lends only its type and device."""
    return walk.of(call["self"])


def tensors(walk: Walk, call: Call) -> list[fx.Node]:
    """The operands of a call that have axes."""
    return [node for node in call.node.all_input_nodes if node in walk.axes]


def prelu(walk: Walk, call: Call) -> Axes:
    """`prelu`: the weight's units are the channels."""
    axes = walk.of(call["self"])
    if walk.shape(call["weight"]) != (1,):
        walk.unify(call, axes[1], walk.of(call["weight"])[0])
    return axes


def spatial(walk: Walk, call: Call) -> Axes | Outputs:
    """Pooling and resizing change the trailing dimensions; batch and channels pass through."""
    axes = walk.of(call.node.args[0])
    first = len(axes) - next(n for n in (1, 2, 3) if f"{n}d" in call.name)
    for axis in axes[first:]:
        walk.freeze(call, axis, "runs over this dimension as space", barrier=True)
    kept = [*axes[:first], *without_labels(walk, call)[first:]]
    multiple = isinstance(call.node.meta["val"], list | tuple)
    return [kept, list(kept)] if multiple else kept


def sampled(walk: Walk, call: Call) -> Axes:
    """`grid_sample`: channels pass; space, and the grid that it is read at, stay whole."""
    axes = walk.of(call["input"])
    for axis in (*axes[2:], *walk.of(call["grid"])):
        walk.freeze(call, axis, "runs over this dimension as space", barrier=True)
    return [*axes[:2], *[None] * (len(axes) - 2)]


def grid(walk: Walk, call: Call) -> Axes:
    """`affine_grid`: places in space, made from a whole matrix; channels do not matter."""
    for axis in walk.of(call["theta"]):
        walk.freeze(call, axis, "becomes places in space")
    return without_labels(walk, call)


def unpooled(walk: Walk, call: Call) -> Axes:
    """Values back to the places in space that pooling took them from."""
    channel = len(walk.shape(call["self"])) - int(call.name[-2]) - 1
    values, places = walk.of(call["self"]), walk.of(call["indices"])
    axes = without_labels(walk, call)
    for i in range(channel + 1):
        if walk.shape(call["self"])[i] > 1:
            axes[i] = walk.unify(call, values[i], places[i])
    return axes


def constant(walk: Walk, call: Call) -> Axes:
    """Every element is the same, so each dimension may shrink with whatever it meets."""
    (shape, *_) = walk.output_shapes(call)
    return [walk.labels.fresh(size) for size in shape]


def without_labels(walk: Walk, call: Call) -> Axes:
    """Outputs whose dimensions have no units."""
    return [None] * len(walk.output_shapes(call)[0])


def triangle(walk: Walk, call: Call) -> Axes:
    """`tril`, `triu`: mask by position, so the last two dimensions stay whole."""
    axes = walk.of(call["self"])
    for axis in axes[-2:]:
        walk.freeze(call, axis, "masks by position", barrier=True)
    return [*axes[:-2], None, None]


RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE.split(), elementwise),
    **dict.fromkeys(SPATIAL.split(), spatial),
    **dict.fromkeys(CONSTANT.split(), constant),
    **dict.fromkeys(WITHOUT_LABELS.split(), without_labels),
    **dict.fromkeys(("tril", "triu"), triangle),
    **dict.fromkeys(("to", "type_as"), converted),
    "prelu": prelu,
    **dict.fromkeys(("grid_sampler", "grid_sampler_2d", "grid_sampler_3d"), sampled),
    "affine_grid_generator": grid,
    **dict.fromkeys(("max_unpool2d", "max_unpool3d"), unpooled),
}
