"""Core ML packages (.mlpackage, zipped), converted by coremltools: never run or measured here."""

from edgekit.runtimes.record import Runtime


def _recognizes(head: bytes) -> bool:
    return head.startswith(b"PK\x03\x04") and b".mlpackage/" in head[30:300]


RECORD = Runtime(
    name="coreml",
    title="Core ML",
    color="#999999",
    suffixes=(".mlpackage.zip",),
    recognizes=_recognizes,
    precisions=("fp32", "fp16", "int8-weights", "palette4"),
    package="coremltools",
    module="coremltools",
    install="pip install 'edgekit[coreml]'",
    extra="coreml",
    libraries={"coremltools": "coremltools"},
    export_only=True,
)
