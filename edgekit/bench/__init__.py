"""Latency, memory and energy of artefacts on the actual runtime, and what they compute there."""
