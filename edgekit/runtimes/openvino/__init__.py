"""OpenVINO's own files, converted from ONNX Runtime's."""

from edgekit.runtimes.record import Runtime


def _recognizes(head: bytes) -> bool:
    return head.lstrip().startswith((b"<?xml", b"<net")) and b"<net" in head


RECORD = Runtime(
    name="openvino",
    title="OpenVINO",
    color="#009E73",
    suffixes=(".xml", ".bin"),
    recognizes=_recognizes,
    precisions=("fp32", "fp16", "int8", "int8-weights"),
    takes_tails=True,
    ranges=("min-max", "averaged", "percentile"),
    package="openvino",
    module="openvino",
    install="pip install 'edgekit[openvino]'",
    extra="openvino",
    libraries={
        "openvino": "openvino",
        "nncf": "nncf",
        "onnxscript": "onnxscript",
        "onnx": "onnx",
    },
    machines={"x86_64": 1},
    starts_from="onnxruntime",
    overflows_on=("x86_64",),
    slow_in_int8=("layer_norm", "group_norm", "instance_norm", "softmax", "attention"),
    options=({"ENABLE_CPU_PINNING": False},),
)
