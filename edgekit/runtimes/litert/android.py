"""LiteRT in Android applications: its CompiledModel API in Kotlin."""

from edgekit.runtimes.mobile import MobileRuntime

RECORD = MobileRuntime(
    title="LiteRT",
    package="com.google.ai.edge.litert:litert",
    version="2.3.0",
    purl="pkg:maven/com.google.ai.edge.litert/litert@2.3.0",
    license="Apache-2.0",
    # `TensorBuffer` writes and reads these; uint8 as the bytes of int8.
    dtypes=("float32", "int32", "int64", "int8", "uint8", "bool"),
    accelerators=("CPU", "GPU", "NPU"),
    least_system="23",
)
