"""LiteRT in browsers: LiteRT.js."""

from pathlib import Path

from edgekit.runtimes.browser import WebRuntime

_WASM = "@litertjs/core/wasm"
_ENTRIES = {
    "@litertjs/core": "@litertjs/core/dist/index.js",
    "@litertjs/wasm-utils": "@litertjs/wasm-utils/dist/index.js",
}

_LIST = "var DATATYPES = Object.freeze(["
_TYPE = (
    '{{ dtype: "{}", typedArrayConstructor: {}Array, elementType: ElementType.{} }},'
)
_TYPES = (
    _TYPE.format("int8", "Int8", "INT8"),
    _TYPE.format("int64", "BigInt64", "INT64"),
)

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
    edits={_ENTRIES["@litertjs/core"]: (_LIST, "\n".join([_LIST, *_TYPES]))},
)
