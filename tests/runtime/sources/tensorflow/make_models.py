"""A script for a Python with TensorFlow: writes tiny SavedModels into the folder it is given."""

from __future__ import annotations

import sys
from pathlib import Path

import tensorflow as tf


class Network(tf.Module):  # type: ignore[misc]
    """A convolution, batch norm, pooling and a softmax, with weights that are not one."""

    def __init__(self) -> None:
        super().__init__()
        draw = tf.random.Generator.from_seed(0)
        self.kernel = tf.Variable(draw.normal((3, 3, 3, 4)), name="kernel")
        self.scale = tf.Variable(draw.uniform((4,)) + 0.5)
        self.offset = tf.Variable(draw.normal((4,)))
        self.mean = tf.Variable(draw.normal((4,)))
        self.variance = tf.Variable(draw.uniform((4,)) + 0.5)
        self.head = tf.Variable(draw.normal((4, 5)))

    def features(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.nn.conv2d(x, self.kernel, 2, "SAME")
        x, *_ = tf.compat.v1.nn.fused_batch_norm(
            x,
            self.scale,
            self.offset,
            self.mean,
            self.variance,
            1e-3,
            is_training=False,
        )
        return tf.nn.relu(x)

    def logits(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Ends in an exact gelu, as Keras writes it."""
        rows = tf.reduce_mean(self.features(image), (1, 2)) @ self.head
        return {"rows": 0.5 * rows * tf.math.erfc(-rows / 1.4142135)}

    def both(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        found = self.features(image)
        rows = tf.reduce_mean(found, (1, 2)) @ self.head
        return {"scores": tf.nn.softmax(rows), "map": found}


class Single(tf.Module):  # type: ignore[misc]
    """A convolution alone: one call of a function on one variable."""

    def __init__(self) -> None:
        super().__init__()
        draw = tf.random.Generator.from_seed(0)
        self.kernel = tf.Variable(draw.normal((3, 3, 3, 4)))

    @tf.function  # type: ignore[untyped-decorator]
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d(x, self.kernel, 1, "SAME")


class Reader(tf.Module):  # type: ignore[misc]
    """Adds the length of a file."""

    @tf.function  # type: ignore[untyped-decorator]
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        length = tf.strings.length(tf.io.read_file("/etc/hostname"))
        return x + tf.cast(length, tf.float32)


def main(folder: str) -> None:
    place, network = Path(folder), Network()
    for name, batch in (("free", None), ("fixed", 2)):
        image = tf.TensorSpec((batch, 8, 8, 3), tf.float32, name="image")
        served = {
            "serving_default": tf.function(network.both).get_concrete_function(image),
            "logits": tf.function(network.logits).get_concrete_function(image),
        }
        tf.saved_model.save(network, str(place / name), signatures=served)
    single = Single()
    image = tf.TensorSpec((None, 8, 8, 3), tf.float32)
    called = single.__call__.get_concrete_function(image)
    tf.saved_model.save(single, str(place / "single"), signatures=called)
    layer = tf.keras.layers.LSTM(6, return_sequences=True)
    recurrent = tf.keras.Sequential([tf.keras.Input((7, 5)), layer])
    recurrent.export(str(place / "recurrent"))
    reader = Reader()
    called = reader.__call__.get_concrete_function(tf.TensorSpec((None, 3), tf.float32))
    tf.saved_model.save(reader, str(place / "reader"), signatures=called)


if __name__ == "__main__":
    main(*sys.argv[1:])
