"""Makes the reference files in `data` with Keras itself (3.15 on JAX): run by hand.

    KERAS_BACKEND=jax python make_data.py FOLDER [NAME ...]

Not on its torch backend, whose average pooling counts the padding.

Each model is saved as NAME.keras and NAME.h5, its inputs and outputs (in Keras's own order) as
NAME.npz: x0, x1, ... and y0, y1, ...
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
from keras import layers as L
from keras import ops

MODELS = {}
LISTED = ("nested", "normalizations", "recurrent", "shared_models", "tokens")
"""Models that are saved as HDF5 too: with weights in every order that Keras lists them in."""


def model(function):
    MODELS[function.__name__] = function
    return function


def functional(shape, *rest, dtype=None):
    """A functional model of layers in a row."""
    given = keras.Input(shape, dtype=dtype)
    x = given
    for layer in rest:
        x = layer(x)
    return keras.Model(given, x)


@model
def convolutions():
    return keras.Sequential(
        [
            keras.Input((13, 12, 3)),
            L.Conv2D(6, 3, strides=2, padding="same", activation="relu"),
            L.BatchNormalization(momentum=0.9, epsilon=2e-3),
            L.DepthwiseConv2D(
                3, padding="same", depth_multiplier=2, activation="relu6"
            ),
            L.SeparableConv2D(
                5, (3, 2), padding="same", depth_multiplier=2, activation="swish"
            ),
            L.BatchNormalization(scale=False),
            L.Conv2D(10, 3, padding="same", dilation_rate=2, groups=5),
            L.BatchNormalization(center=False, scale=False),
            L.Conv2DTranspose(4, 3, strides=2, padding="same", activation="elu"),
            L.Conv2DTranspose(4, 2, strides=3, padding="valid"),
            L.Conv2DTranspose(3, 4, strides=2, padding="same", use_bias=False),
            L.Conv2D(4, 3, strides=3, use_bias=False),
            L.Flatten(),
            L.Dense(5),
        ]
    )


@model
def transposed():
    return functional(
        (5, 4, 3),
        L.Conv2DTranspose(2, 5, strides=2, padding="valid"),
        L.Conv2DTranspose(4, 3, strides=1, padding="same"),
        L.Conv2DTranspose(4, 2, strides=3, padding="same"),
    )


@model
def one_dimension():
    return functional(
        (14, 4),
        L.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="tanh"),
        L.BatchNormalization(),
        L.SeparableConv1D(8, 3, padding="same"),
        L.MaxPooling1D(2),
        L.DepthwiseConv1D(3, strides=2, padding="same"),
        L.UpSampling1D(2),
        L.ZeroPadding1D((1, 2)),
        L.Cropping1D(1),
        L.Conv1DTranspose(4, 3, strides=2, padding="same"),
        L.AveragePooling1D(3, strides=2, padding="same"),
        L.SpatialDropout1D(0.2),
        L.PReLU(shared_axes=[1]),
        L.GlobalAveragePooling1D(),
        L.Dense(3),
    )


@model
def three_dimensions():
    return functional(
        (6, 7, 5, 2),
        L.Conv3D(4, 3, padding="same", strides=(1, 2, 1), activation="relu"),
        L.BatchNormalization(),
        L.MaxPooling3D(2, padding="same"),
        L.ZeroPadding3D(1),
        L.AveragePooling3D(2),
        L.UpSampling3D((2, 1, 2)),
        L.Cropping3D(((1, 0), (0, 0), (0, 1))),
        L.Conv3DTranspose(3, 2, strides=2),
        L.SpatialDropout3D(0.1),
        L.GlobalMaxPooling3D(),
        L.Dense(2),
    )


@model
def pooling():
    given = keras.Input((9, 10, 3))
    a = L.MaxPooling2D(3, strides=2, padding="same")(given)
    b = L.AveragePooling2D(3, strides=2, padding="same")(given)
    c = L.MaxPooling2D(2, strides=2, padding="same")(given)
    d = L.Cropping2D(((1, 1), (0, 2)))(L.ZeroPadding2D(((2, 1), (0, 3)))(given))
    e = L.AveragePooling2D((2, 3), strides=(2, 2), padding="same")(
        L.UpSampling2D(2, interpolation="bilinear")(d)
    )
    f = L.UpSampling2D((1, 2))(a)
    g = L.GlobalAveragePooling2D(keepdims=True)(given)
    h = L.Concatenate()(
        [
            L.GlobalMaxPooling2D()(a),
            L.GlobalAveragePooling2D()(b),
            L.Flatten()(c),
            L.GlobalMaxPooling2D()(e),
            L.Flatten()(f),
        ]
    )
    return keras.Model(given, [h, L.Multiply()([given, g]), e])


@model
def merging():
    one, two = keras.Input((4, 5, 3)), keras.Input((4, 5, 3))
    x = L.Add()([one, two])
    x = L.Subtract()([x, one])
    x = L.Multiply()([x, two])
    x = L.Average()([x, one, two])
    x = L.Maximum()([x, one])
    x = L.Minimum()([x, two])
    x = L.Concatenate(axis=-1)([x, one])
    x = L.Concatenate(axis=1)([x, x])
    x = L.Permute((3, 1, 2))(x)
    x = L.Reshape((6, 40))(x)
    y = L.Dot(axes=(2, 2))([x, x])
    z = L.Dot(axes=1, normalize=True)([L.Flatten()(one), L.Flatten()(two)])
    r = L.RepeatVector(3)(L.Flatten()(y))
    return keras.Model([one, two], [r, z])


@model
def activation_layers():
    given = keras.Input((4, 4, 6))
    x = given
    outputs = [
        L.ReLU(max_value=1.0)(x),
        L.ReLU(negative_slope=0.1, threshold=0.2)(x),
        L.ReLU(6.0)(x),
        L.LeakyReLU(negative_slope=0.2)(x),
        L.ELU(0.7)(x),
        L.PReLU()(x),
        L.PReLU(shared_axes=[1, 2])(x),
        L.Softmax()(x),
        L.Softmax(axis=1)(x),
    ]
    for name in (
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "selu",
        "gelu",
        "sigmoid",
        "hard_sigmoid",
        "hard_silu",
        "silu",
        "softmax",
        "log_softmax",
        "softplus",
        "softsign",
        "tanh",
        "exponential",
        "mish",
        "celu",
        "linear",
        "log_sigmoid",
        "hard_tanh",
        "tanh_shrink",
        "squareplus",
        "soft_shrink",
        "hard_shrink",
        "glu",
    ):
        outputs.append(
            L.Activation(name)(L.Conv2D(4, 1)(x) if name in ("softmax", "gelu") else x)
        )
    outputs.append(L.Dense(3, activation=L.LeakyReLU(negative_slope=0.3))(x))
    return keras.Model(given, outputs)


@model
def normalizations():
    given = keras.Input((4, 5, 6))
    x = L.LayerNormalization()(L.Conv2D(6, 1)(given))
    x = L.GroupNormalization(3)(x)
    x = L.GroupNormalization(-1)(x)
    x = L.LayerNormalization(axis=[1, 2, 3])(x)
    x = L.UnitNormalization()(x)
    x = L.RMSNormalization()(x)
    x = L.BatchNormalization(axis=1)(x)
    x = L.SpectralNormalization(L.Conv2D(4, 3))(x)
    return keras.Model(given, L.Dense(3)(x))


@model
def preprocessing():
    given = keras.Input((9, 8, 3))
    norm = L.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0])
    adapted = L.Normalization()
    adapted.adapt(np.random.default_rng(3).normal(2, 3, (64, 9, 8, 3)))
    x = L.Rescaling(1 / 127.5, offset=-1.0)(given)
    x = norm(x)
    x = adapted(x)
    x = L.RandomFlip()(x)
    x = L.RandomRotation(0.1)(x)
    x = L.Resizing(7, 11)(x)
    x = L.CenterCrop(6, 8)(x)
    x = L.GaussianNoise(0.1)(x)
    x = L.Resizing(5, 4, interpolation="nearest")(x)
    return keras.Model(given, L.Conv2D(2, 3)(x))


@model
def vectors():
    return functional(
        (10,),
        L.Rescaling([0.5] * 10),
        L.Dense(16),
        L.BatchNormalization(),
        L.LeakyReLU(),
        L.Dropout(0.3),
        L.GaussianDropout(0.1),
        L.AlphaDropout(0.1),
        L.ActivityRegularization(0.1),
        L.EinsumDense("ab,bc->ac", 8, bias_axes="c", activation="tanh"),
        L.Identity(),
        L.Dense(1),
    )


@model
def recurrent():
    given = keras.Input((4, 5))
    x = L.LSTM(6, return_sequences=True)(given)
    x = L.GRU(5, return_sequences=True)(x)
    x = L.Bidirectional(L.LSTM(4, return_sequences=True))(x)
    x = L.Bidirectional(L.GRU(3, return_sequences=True), merge_mode="sum")(x)
    x = L.SimpleRNN(4, return_sequences=True)(x)
    x = L.TimeDistributed(L.Dense(5, activation="relu"))(x)
    y = L.LSTM(3, activation="relu", recurrent_activation="hard_sigmoid")(x)
    z = L.GRU(3, reset_after=False)(x)
    w = L.GRU(3, go_backwards=True)(x)
    s, h, c = L.LSTM(4, return_state=True)(x)
    t = L.LSTM(4)(x, initial_state=[h, c])
    u = L.RNN(L.GRUCell(3))(x)
    v = L.Bidirectional(L.SimpleRNN(2))(x)
    return keras.Model(given, [L.Concatenate()([y, z, w, s, t, u, v]), x])


@model
def attention():
    given = keras.Input((6,), dtype="int32")
    other = keras.Input((5, 8))
    x = L.Embedding(20, 8)(given)
    a = L.MultiHeadAttention(2, 3)(x, other)
    x = L.LayerNormalization()(L.Add()([x, a]))
    b, scores = L.MultiHeadAttention(4, 2, value_dim=5, use_bias=False)(
        x, x, use_causal_mask=True, return_attention_scores=True
    )
    c = L.Attention(use_scale=True)([x, other])
    d = L.AdditiveAttention()([x, other])
    return keras.Model([given, other], [L.Add()([x, b, c, d]), scores])


@model
def nested():
    given = keras.Input((8, 8, 3))
    inner = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            L.Conv2D(4, 3, padding="same"),
            L.BatchNormalization(),
            L.ReLU(),
        ],
        name="inner",
    )
    f = keras.Input((8, 8, 4))
    block = keras.Model(
        f,
        L.Add()([L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same")(f)), f]),
        name="block",
    )
    x = block(block(inner(given)))
    shared = L.Conv2D(4, 1)
    x = L.Add()([shared(x), shared(x * 2.0 - 1.0)])
    x = ops.relu(x[:, 1:]) / 3.0
    m = ops.mean(x, axis=[1, 2])
    x = L.Concatenate()([L.Flatten()(x), m])
    return keras.Model(
        given,
        {
            "scores": L.Dense(3, activation="softmax", name="scores")(x),
            "value": L.Dense(1, name="value")(x),
        },
    )


@model
def shared_models():
    """A model in the outermost one and in another within it: a `.keras` holds it once."""
    inner = functional((6,), L.Dense(8), L.Dense(8, activation="relu"))
    within = keras.Sequential([keras.Input((6,)), inner, L.Dense(4)])
    given = keras.Input((6,))
    joined = L.Concatenate()([within(given), inner(given)])
    return keras.Model(given, L.Dense(2)(joined))


@model
def tokens():
    return functional(
        (9,),
        L.Embedding(30, 6),
        L.Conv1D(5, 3, activation="relu"),
        L.GlobalMaxPooling1D(),
        L.Dense(2, activation="softmax"),
        dtype="int32",
    )


@model
def channels_first():
    F = "channels_first"
    return functional(
        (3, 8, 9),
        L.Conv2D(4, 3, data_format=F, padding="same"),
        L.BatchNormalization(axis=1),
        L.ReLU(),
        L.MaxPooling2D(2, data_format=F),
        L.ZeroPadding2D(1, data_format=F),
        L.GlobalAveragePooling2D(data_format=F, keepdims=True),
        L.Flatten(data_format=F),
        L.Dense(3),
    )


def randomize(model, chance):
    """Weights of every kind away from what they start with."""
    values = []
    for w in model.weights:
        v = keras.ops.convert_to_numpy(w)
        if w.name in ("moving_variance", "variance"):
            v = chance.uniform(0.5, 2, v.shape).astype(v.dtype)
        elif v.dtype.kind == "f":
            v = v + chance.normal(0, 0.2, v.shape).astype(v.dtype)
        values.append(v)
    model.set_weights(values)
    for layer in model.layers:
        if isinstance(layer, L.Normalization) and layer.input_mean is None:
            layer.finalize_state()


def squeezed(path):
    """The same archive, its entries compressed."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def main():
    folder = Path(sys.argv[1])
    expected = sys.argv[2:] or MODELS
    for name in expected:
        keras.utils.clear_session()
        keras.utils.set_random_seed(0)
        chance = np.random.default_rng(7)
        made = MODELS[name]()
        randomize(made, chance)
        inputs = [
            chance.integers(0, 20, (3, *i.shape[1:])).astype(np.int32)
            if "int" in i.dtype
            else chance.normal(0.3, 1, (3, *i.shape[1:])).astype(np.float32)
            for i in made.inputs
        ]
        found = made(inputs if len(inputs) > 1 else inputs[0], training=False)
        flat = keras.tree.flatten(found)
        arrays = {f"x{n}": v for n, v in enumerate(inputs)} | {
            f"y{n}": keras.ops.convert_to_numpy(v) for n, v in enumerate(flat)
        }
        made.save(folder / f"{name}.keras")
        squeezed(folder / f"{name}.keras")
        if name in LISTED:
            made.save(folder / f"{name}.h5")
        np.savez_compressed(folder / f"{name}.npz", **arrays)
        print(name, [a.shape for a in arrays.values()][:6])


main()
