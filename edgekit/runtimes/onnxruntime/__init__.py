"""ONNX files for ONNX Runtime."""

from edgekit.runtimes.record import Runtime

_VARINT, _BYTES = 0, 2
_FIELDS = {1: _VARINT, 5: _VARINT} | dict.fromkeys(
    (2, 3, 4, 6, 7, 8, 14, 20, 25, 26), _BYTES
)
"""Of ONNX's ModelProto: the fields there are, and how each is encoded."""


def _recognizes(head: bytes) -> bool:
    """ONNX has no mark of its own: a file is of it where its first fields are ModelProto's."""
    place, seen = 0, set()
    while place < len(head):
        tag, place = _varint(head, place)
        if _FIELDS.get(tag >> 3) != tag & 7:
            return False
        seen.add(tag >> 3)
        value, place = _varint(head, place)
        place += value if tag & 7 == _BYTES else 0
    return bool(seen & {1, 7, 8})  # the version, the graph, the operators' version


def _varint(head: bytes, place: int) -> tuple[int, int]:
    """A number of protobuf's and where it ends; one that is cut off ends with `head`."""
    value = shift = 0
    while place < len(head):
        byte = head[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            break
    return value, place


RECORD = Runtime(
    name="onnxruntime",
    title="ONNX",
    color="#E69F00",
    suffixes=(".onnx",),
    recognizes=_recognizes,
    precisions=("fp32", "fp16", "int8", "int8-dynamic"),
    takes_tails=True,
    ranges=("min-max", "percentile", "entropy"),
    package="onnxruntime",
    module="onnxruntime",
    install="pip install 'edgekit[onnxruntime]'",
    extra="onnxruntime",
    libraries={
        "onnxruntime": "onnxruntime",
        "onnxscript": "onnxscript",
        "onnx": "onnx",
    },
    version="1.31.1",
    machines={"aarch64": 2, "x86_64": 2},
    unsigned_int8_on=("x86_64",),
    overflows_on=("x86_64",),
    slow_in_int8=(
        *("layer_norm", "group_norm", "instance_norm", "softmax", "attention"),
        *("gelu", "hardswish", "hardsigmoid", "mish"),
    ),
    options=({"graph_optimization": "extended"},),
    options_with_threads=({"allow_spinning": False},),
)
