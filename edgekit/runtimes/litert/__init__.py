"""TFLite files for LiteRT, which converts PyTorch through the exported program."""

from edgekit.runtimes.record import Runtime


def _recognizes(head: bytes) -> bool:
    return head[4:8] == b"TFL3"


RECORD = Runtime(
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
    version="2.3.0",
    machines={"aarch64": 1, "x86_64": 3},
    timer="benchmark_model",
    refusals=(r"builtin opcode '(\w+)'", r"builtin_code out of range: (\d+)"),
    channels_last=True,
    slow_in_int8=(
        *("layer_norm", "group_norm", "instance_norm", "softmax", "attention"),
        *("gelu", "hardswish", "mish", "bmm", "matmul"),
    ),
    options=({"xnnpack": False},),
)
