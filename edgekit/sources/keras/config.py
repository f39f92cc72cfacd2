"""A Keras model's configuration, of any version, in one form: layers, and their calls by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edgekit.config.user_code import UserFunction
from edgekit.errors import ModelError
from edgekit.sources.keras import legacy

_GRAPHS = ("Functional", "Model", "Sequential")
_OURS = ("keras", "tensorflow.python.keras", "tf_keras")
"""Where the layers of Keras itself come from; anything else is the author's."""
_DEEPEST = 32
_NESTED = (
    "Its network cannot be read without the author's Python. Save a functional or sequential "
    "model of Keras's own layers, or export it to ONNX."
)


@dataclass(frozen=True, kw_only=True)
class Ref:
    """Output `tensor` of the call number `node` of a layer."""

    layer: str
    node: int
    tensor: int


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call of a layer: arguments are constants, `Ref`s, and lists and dictionaries of both."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class LayerConfig:
    """A layer as it was made (`values`) and called; `inner` where it is a model itself."""

    name: str
    kind: str
    values: Mapping[str, Any]
    version: int
    calls: tuple[Call, ...] = ()
    inner: GraphConfig | None = None
    operation: bool = False
    """True where it is a function in the graph, which has no weights and no place in the file."""
    foreign: bool = False
    """True where the file shows that it is not a layer of Keras itself."""
    custom: UserFunction | None = None
    """The user's own class or function for it."""

    @property
    def trainable(self) -> bool:
        """Return whether the file marks the layer as trainable."""
        return bool(self.values.get("trainable", True))

    @property
    def channels_first(self) -> bool:
        """Return whether the layer's tensors have their channels first."""
        return self.values.get("data_format") == "channels_first"


@dataclass(frozen=True, kw_only=True)
class GraphConfig:
    """A model: `inputs` are `Ref`s in order, `outputs` a `Ref` or a structure of them."""

    name: str
    kind: str
    layers: tuple[LayerConfig, ...]
    inputs: tuple[Ref, ...]
    outputs: Any

    def walk(self) -> Iterator[LayerConfig]:
        """Every layer, those of the models in it included."""
        for layer in self.layers:
            yield layer
            if layer.inner is not None:
                yield from layer.inner.walk()


def parse(config: Mapping[str, Any], version: int) -> GraphConfig:
    """The model of a {class_name, config}; raises `ModelError` for the author's own classes."""
    kind = config.get("class_name")
    if kind not in _GRAPHS or not _known_home(config):
        raise ModelError(
            f"The file's model is the author's own class {kind!r}. {_NESTED}"
        )
    given = config.get("build_config") or {}
    return _graph(config, version, 0, given.get("input_shape"))


def layer_of(
    config: Mapping[str, Any], version: int, name: str | None = None
) -> LayerConfig:
    """A layer that another one wraps."""
    return _layer(config, version, 1, name)


def references(tree: Any) -> list[Ref]:
    """Every `Ref` in a structure, in order."""
    found: list[Ref] = []
    mapped(tree, lambda ref: found.append(ref))
    return found


def mapped(tree: Any, function: Callable[[Ref], Any]) -> Any:
    """The structure with `function` of each `Ref` in its place."""
    if isinstance(tree, Ref):
        return function(tree)
    if isinstance(tree, list | tuple):
        return type(tree)(mapped(each, function) for each in tree)
    if isinstance(tree, Mapping):
        return {name: mapped(value, function) for name, value in tree.items()}
    return tree


def _graph(
    config: Mapping[str, Any], version: int, depth: int, shape: Any = None
) -> GraphConfig:
    if depth > _DEEPEST:
        raise ModelError("The model holds models nested too deeply.")
    inner = config["config"]
    listed = inner if isinstance(inner, list) else inner["layers"]
    name = "sequential" if isinstance(inner, list) else str(inner.get("name", "model"))
    layers = tuple(_layer(each, version, depth) for each in listed)
    if config["class_name"] == "Sequential":
        if isinstance(inner, dict):
            shape = inner.get("build_input_shape", shape)
        return _sequence(name, layers, version, shape)
    _refuse_twins(layers)
    return _rebased(
        GraphConfig(
            name=name,
            kind="Functional",
            layers=layers,
            inputs=tuple(references(_ends(inner["input_layers"]))),
            outputs=_ends(inner["output_layers"]),
        )
    )


def _layer(
    config: Mapping[str, Any], version: int, depth: int, name: str | None = None
) -> LayerConfig:
    kind, values = config["class_name"], config["config"]
    if not isinstance(kind, str):
        raise ValueError(f"a layer's class_name is {kind!r}")
    given = values if isinstance(values, dict) else {}
    named = str(name or config.get("name") or given.get("name") or kind.lower())
    foreign = kind == "Lambda" or not _known_home(config)
    kind = kind.rpartition(">")[2]
    calls = tuple(_call(each) for each in config.get("inbound_nodes") or ())
    if kind in _GRAPHS and not foreign:
        graph = _graph(config, version, depth + 1)
        values = {"trainable": given.get("trainable", True)}
        return LayerConfig(
            name=named, kind=graph.kind, values=values, version=version, calls=calls,
            inner=graph,
        )  # fmt: skip
    if version == 1:
        kind, values = legacy.renamed(kind, values)
    if isinstance(config.get("build_config"), Mapping):
        values = {**values, "build_shape": config["build_config"].get("input_shape")}
    return LayerConfig(
        name=named,
        kind=kind,
        values=values,
        version=version,
        calls=calls,
        operation=not foreign and _is_operation(config, version),
        foreign=foreign,
    )


def _is_operation(config: Mapping[str, Any], version: int) -> bool:
    """Return whether it is a function of Keras 3, by its home or, in HDF5, by what only layers
    have."""
    if home := _home(config):
        return home.startswith("keras.src.ops")
    kind, values = config["class_name"], config["config"]
    layer = "trainable" in values or ("dtype" in values and kind != "Cast")
    return version >= 3 and not layer


def _known_home(config: Mapping[str, Any]) -> bool:
    """Return whether a class is Keras's own, as far as its file shows (files of Keras 1 and 2
    do not)."""
    registered = config.get("registered_name")
    home = _home(config)
    if not home:
        return ">" not in str(config.get("class_name"))
    ours = home.split(".")[0] in _OURS or home.startswith(_OURS)
    return ours and ">" not in str(registered or "")


def _home(config: Mapping[str, Any]) -> str:
    return str(config.get("module") or "")


def _sequence(
    name: str, layers: tuple[LayerConfig, ...], version: int, shape: Any
) -> GraphConfig:
    """Layers in a row; an input of its own where the first layer or the model has its shape."""
    if not layers:
        raise ValueError("a sequential model has no layers")
    if layers[0].kind != "InputLayer":
        layers = (_input_of(layers[0], version, shape), *layers)
    chained = [layers[0]]
    for layer in layers[1:]:
        ref = Ref(layer=chained[-1].name, node=0, tensor=0)
        chained.append(replace(layer, calls=(Call(args=(ref,), kwargs={}),)))
    _refuse_twins(tuple(chained))
    return GraphConfig(
        name=name,
        kind="Sequential",
        layers=tuple(chained),
        inputs=(Ref(layer=chained[0].name, node=0, tensor=0),),
        outputs=Ref(layer=chained[-1].name, node=0, tensor=0),
    )


def _input_of(first: LayerConfig, version: int, shape: Any) -> LayerConfig:
    own = first.values.get("batch_input_shape") or first.values.get("batch_shape")
    dtype = first.values.get("dtype")
    if first.inner is not None:
        source = next(each for each in first.inner.layers if each.kind == "InputLayer")
        own, dtype = input_shape(source), source.values.get("dtype")
    if own is None and first.values.get("input_shape"):
        own = [None, *first.values["input_shape"]]
    values = {"batch_shape": own or shape, "dtype": dtype}
    return LayerConfig(name="input", kind="InputLayer", values=values, version=version)


def input_shape(layer: LayerConfig) -> list[int | None] | None:
    """Shape of an input layer: its batch and then its other sizes, `None` where free."""
    values = layer.values
    found = values.get("batch_shape") or values.get("batch_input_shape")
    return list(found) if found else None


def _refuse_twins(layers: tuple[LayerConfig, ...]) -> None:
    names = [layer.name for layer in layers]
    if len(set(names)) != len(names):
        twin = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two layers are called {twin[:40]!r}")


def _call(node: Any) -> Call:
    """A call as Keras 3 writes it ({args, kwargs}), or before (a list of tensors)."""
    if isinstance(node, Mapping):
        args = tuple(_tensors(each) for each in node["args"])
        return Call(args=args, kwargs=_kept(_tensors(node.get("kwargs") or {})))
    refs: list[Ref] = []
    kwargs: dict[str, Any] = {}
    for entry in [node] if _is_reference(node) else node:
        refs.append(Ref(layer=str(entry[0]), node=int(entry[1]), tensor=int(entry[2])))
        kwargs.update(entry[3] if len(entry) > 3 and entry[3] else {})
    given: Any = refs[0] if len(refs) == 1 else refs
    return Call(args=(given,), kwargs=_kept(_named(kwargs)))


def _kept(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of consequence: training is the program's own matter."""
    left_out = ("training", "name")
    return {k: v for k, v in kwargs.items() if v is not None and k not in left_out}


def _is_reference(entry: Any) -> bool:
    """Return whether a list is [layer, call, tensor] or longer by the call's arguments."""
    return (
        isinstance(entry, list | tuple)
        and len(entry) in (3, 4)
        and isinstance(entry[0], str)
        and all(type(number) is int for number in entry[1:3])
    )


def _named(tree: Any) -> Any:
    """Keyword arguments of Keras 2, where a tensor is a [layer, call, tensor]."""
    if _is_reference(tree):
        return Ref(layer=tree[0], node=tree[1], tensor=tree[2])
    if isinstance(tree, list):
        return [_named(each) for each in tree]
    if isinstance(tree, dict):
        return {name: _named(value) for name, value in tree.items()}
    return tree


def _tensors(tree: Any) -> Any:
    """Arguments of Keras 3, whose tensors, slices and the like are objects with a class."""
    if isinstance(tree, list):
        return [_tensors(each) for each in tree]
    if not isinstance(tree, dict):
        return tree
    kind, config = tree.get("class_name"), tree.get("config") or {}
    if kind == "__keras_tensor__":
        layer, node, tensor = config["keras_history"]
        return Ref(layer=str(layer), node=int(node), tensor=int(tensor))
    if kind in ("__numpy__", "__tensor__"):
        return config["value"]
    if kind == "__slice__":
        return slice(config["start"], config["stop"], config["step"])
    if kind == "__tuple__":
        return tuple(_tensors(each) for each in tree["items"])
    if kind == "__ellipsis__":
        return ...
    return {name: _tensors(value) for name, value in tree.items()}


def _ends(tree: Any) -> Any:
    """Input or output layers: one reference, or a structure of them."""
    if _is_reference(tree):
        return Ref(layer=tree[0], node=tree[1], tensor=tree[2])
    if isinstance(tree, list):
        return [_ends(each) for each in tree]
    if isinstance(tree, dict):
        return {name: _ends(value) for name, value in tree.items()}
    raise ValueError(f"{str(tree)[:40]!r} names no layer's output")


def _rebased(graph: GraphConfig) -> GraphConfig:
    """The same with calls counted from 0.

    A model in a model was called once when it was made, which most versions count, and its
    reader must not: there the number of the last call is the count of the calls.
    """
    trees = [
        graph.outputs,
        *((c.args, c.kwargs) for e in graph.layers for c in e.calls),
    ]
    last: dict[str, int] = {}
    for ref in references(trees):
        last[ref.layer] = max(last.get(ref.layer, 0), ref.node)
    early = {
        layer.name
        for layer in graph.layers
        if layer.inner is not None and last.get(layer.name, 0) == len(layer.calls) > 0
    }

    def rebased(ref: Ref) -> Ref:
        return replace(ref, node=ref.node - 1) if ref.layer in early else ref

    def call(given: Call) -> Call:
        return Call(
            args=mapped(given.args, rebased), kwargs=mapped(given.kwargs, rebased)
        )

    layers = tuple(
        replace(each, calls=tuple(call(c) for c in each.calls)) for each in graph.layers
    )
    return replace(graph, layers=layers, outputs=mapped(graph.outputs, rebased))
