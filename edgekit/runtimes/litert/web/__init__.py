"""LiteRT in browsers: LiteRT.js."""

from pathlib import Path

from edgekit.runtimes.browser import WebRuntime

_WASM = "@litertjs/core/wasm"
_ENTRIES = {
    "@litertjs/core": "@litertjs/core/dist/index.js",
    "@litertjs/wasm-utils": "@litertjs/wasm-utils/dist/index.js",
}

RECORD = WebRuntime(
    title="LiteRT.js",
    package="@litertjs/core",
    folder=Path(__file__).parent,
    imports=_ENTRIES,
    assets=_WASM,
    downloads=(
        *_ENTRIES.values(),
        f"{_WASM}/litert_wasm_internal.js",
        f"{_WASM}/litert_wasm_internal.wasm",
    ),
    threaded=(
        f"{_WASM}/litert_wasm_threaded_internal.js",
        f"{_WASM}/litert_wasm_threaded_internal.wasm",
    ),
    dtypes=("float32", "int32", "uint8"),
    accelerators=("wasm", "webgpu"),
)
