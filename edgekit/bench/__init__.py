"""Latency, memory and energy of artifacts on the actual runtime, and what they compute there."""
