"""A LiteRT file behind pipes, for the stub of its Kotlin API: `bridge.py FILE THREADS`."""

from __future__ import annotations

import struct
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def main() -> None:
    """Names of inputs and outputs first, then outputs for inputs until the pipe ends."""
    given, made = sys.stdin.buffer, sys.stdout.buffer
    interpreter = Interpreter(sys.argv[1], num_threads=int(sys.argv[2]))
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    names = {detail["index"]: detail["name"] for detail in (*inputs, *outputs)}
    for signature in interpreter._get_full_signature_list().values():
        for side in ("inputs", "outputs"):
            names |= {int(place): name for name, place in signature[side].items()}
    for side in (inputs, outputs):
        made.write(struct.pack(">i", len(side)))
        for detail in side:
            made.write(text(names[detail["index"]]))
    made.flush()
    while head := given.read(2):
        for detail in inputs:
            kind = given.read(struct.unpack(">H", head)[0]).decode()
            content = given.read(struct.unpack(">i", given.read(4))[0])
            expected = detail["dtype"](0).dtype.name
            assert kind == expected.replace("uint8", "int8"), (kind, expected)
            values = np.frombuffer(content, expected).reshape(detail["shape"])
            interpreter.set_tensor(detail["index"], values)
            if detail is not inputs[-1]:
                head = given.read(2)
        interpreter.invoke()
        for detail in outputs:
            values = interpreter.get_tensor(detail["index"])
            made.write(text(values.dtype.name.replace("uint8", "int8")))
            made.write(struct.pack(">i", values.nbytes) + values.tobytes())
        made.flush()


def text(name: str) -> bytes:
    """As Java's `readUTF` takes it."""
    return struct.pack(">H", len(name.encode())) + name.encode()


main()
