"""How near a file is to its network, and how good either is: run, compare, score."""
