"""tflite-runtime: LiteRT's files where LiteRT has no wheel (32-bit Raspberry Pi OS)."""

from dataclasses import replace

from edgekit.runtimes.litert import RUNTIME as LITERT

RUNTIME = replace(
    LITERT,
    name="tflite-runtime",
    files_of=LITERT.name,
    color="#CC79A7",
    package="tflite-runtime",
    module="tflite_runtime",
    release="2.14.0",
    install="pip install tflite-runtime (Python 3.11 at most, numpy < 2)",
)
