"""A folder a runtime: its record and exporter, quantizer, graph reader, operators, metadata.

`registry` finds the folders, here and in those that `EDGEKIT_RUNTIMES` names.
"""
