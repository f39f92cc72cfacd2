"""ExecuTorch programs (.pte), computed by XNNPACK; int8 by PyTorch's own quantizer."""

from edgekit.runtimes.record import Runtime


def _recognizes(head: bytes) -> bool:
    return head[4:6] == b"ET" and head[6:8].isdigit()


RECORD = Runtime(
    name="executorch",
    title="ExecuTorch",
    color="#56B4E9",
    suffixes=(".pte",),
    recognizes=_recognizes,
    precisions=("fp32", "int8", "int8-dynamic"),
    ranges=("min-max", "averaged", "percentile"),
    package="executorch",
    module="executorch",
    install="pip install 'edgekit[executorch]'",
    extra="executorch",
    libraries={"executorch": "executorch", "torchao": "torchao"},
    needs=("numpy", "torch"),
)
