"""A folder a runtime: its exporter, quantizer, graph reader and operator tables."""
