"""TFLite files for LiteRT, which converts PyTorch through the exported program."""

from edgekit.runtimes.record import Runtime


def _recognizes(head: bytes) -> bool:
    return head[4:8] == b"TFL3"


RUNTIME = Runtime(
    name="litert",
    title="LiteRT",
    color="#0072B2",
    suffixes=(".tflite",),
    recognizes=_recognizes,
    precisions=("fp32", "fp16", "int8", "int8-dynamic", "int8-weights", "int16x8"),
    ranges=("min-max", "averaged"),
    package="ai-edge-litert",
    module="ai_edge_litert",
    install="pip install 'edgekit[litert]'",
    extra="litert",
    libraries={
        "litert_torch": "litert-torch",
        "ai_edge_litert": "ai-edge-litert",
        "ai_edge_quantizer": "ai-edge-quantizer",
    },
    refusals=(r"builtin opcode '(\w+)'", r"builtin_code out of range: (\d+)"),
    channels_last=True,
    options=({"xnnpack": False},),
)
