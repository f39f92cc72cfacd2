"""tflite-runtime: LiteRT's files where LiteRT has no wheel (32-bit Raspberry Pi OS)."""

from dataclasses import replace

from edgekit.runtimes.litert import RECORD as LITERT

RECORD = replace(
    LITERT,
    name="tflite-runtime",
    files_of=LITERT.name,
    color="#CC79A7",
    package="tflite-runtime",
    module="tflite_runtime",
    # Built against numpy 1, and there is no later release.
    version="2.14.0",
    final=True,
    needs=("numpy<2",),
    machines={"armv7l": 1},
    debian=("python", "tflite-runtime"),
    absent="Only for 32-bit ARM, in an environment of its own with numpy < 2",
    install="pip install tflite-runtime (Python 3.11 at most, numpy < 2)",
)
