"""LiteRT in applications for iOS and macOS: its CompiledModel API in Swift."""

from edgekit.runtimes.mobile import MobileRuntime

RECORD = MobileRuntime(
    title="LiteRT",
    package="https://github.com/google-ai-edge/LiteRT",
    version="2.3.0",
    purl="pkg:swift/github.com/google-ai-edge/LiteRT@2.3.0",
    license="Apache-2.0",
    dtypes=("float32", "int64", "int32", "int16", "int8", "uint8", "bool"),
    accelerators=("cpu", "gpu", "npu"),
    least_system="15",
)
