"""TensorFlow Lite's operators in torch calls: a file a family."""

from edgekit.sources.tflite.operators import elements, layers, shapes

__all__ = ["elements", "layers", "shapes"]
