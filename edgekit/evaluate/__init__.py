"""Distance of a file from its network, and the metrics of both: run, compare, score."""
