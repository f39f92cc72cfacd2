"""ncnn's files (.param, .bin), converted from TorchScript by pnnx; weights in fp32 or fp16."""

from edgekit.runtimes.record import Runtime


def _recognizes(head: bytes) -> bool:
    return head.startswith(b"7767517\n")


RECORD = Runtime(
    name="ncnn",
    title="ncnn",
    color="#F0E442",
    suffixes=(".param", ".bin"),
    recognizes=_recognizes,
    precisions=("fp32", "fp16"),
    package="ncnn",
    module="ncnn",
    install="pip install 'edgekit[ncnn]'",
    extra="ncnn",
    libraries={"ncnn": "ncnn", "pnnx": "pnnx"},
)
