"""Decoders that generate text: read as a stream, cut, distilled and written for runtimes.

A decoder is a Hugging Face folder (`config.json`, safetensors, tokenizer) of a family in
`decoder.FAMILIES`. Its weights are read a block at a time, and what comes out is again such a
folder, or the folder of a runtime in `engines`.
"""
