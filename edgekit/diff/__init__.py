"""`edgekit diff`: a network and what was made of it, side by side on real samples.

A copy of the artifact that gives every intermediate tensor runs on its own runtime; its tensors
are matched with the network's, and the first operator that departs is named.
"""
