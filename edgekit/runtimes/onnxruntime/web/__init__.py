"""ONNX Runtime in browsers: onnxruntime-web, the build for processors."""

from pathlib import Path

from edgekit.runtimes.browser import WebRuntime

_DIST = "onnxruntime-web/dist"
_ENTRIES = {"onnxruntime-web/wasm": f"{_DIST}/ort.wasm.min.mjs"}
_BUILD = (
    f"{_DIST}/ort-wasm-simd-threaded.mjs",
    f"{_DIST}/ort-wasm-simd-threaded.wasm",
)

RECORD = WebRuntime(
    title="ONNX Runtime Web",
    package="onnxruntime-web",
    folder=Path(__file__).parent,
    imports=_ENTRIES,
    assets=_DIST,
    downloads=(*_ENTRIES.values(), *_BUILD),
    threaded=_BUILD,
    dtypes=("float32", "int64", "int32", "int8", "uint8", "bool"),
    # Its build for WebGPU deviated by 2.0 where LiteRT.js deviated by 1e-6.
    accelerators=("wasm",),
)
