"""What a device cannot run, said before any training, with the layer at fault and the fix."""

from edgekit.constraints.check import Allowed, check

__all__ = ["Allowed", "check"]
